#pragma once
// What a server wrote for people, made safe to show and to store. Internal to this layer.

#include <string>
#include <string_view>

namespace hubrev {

// The text of the progress side-band. It arrives split at arbitrary bytes.
class ServerText {
 public:
  // Keeps the first 64 KiB.
  void append(std::string_view bytes);
  // Lines joined by newlines, without git's own progress meters (lines redrawn by carriage
  // returns) and without blanks at both ends; "" when nothing is left.
  std::string text() const;

 private:
  std::string bytes_;
};

}  // namespace hubrev
