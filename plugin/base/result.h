#pragma once
// Result<T>: a value or an Error. Every function that can fail for an outside reason returns one;
// exceptions are for bugs and stop at the thread's root.

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "plugin/base/error.h"

namespace hubrev {

template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return error;` both read well.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Precondition: !ok().
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

// HUBREV_TRY(auto x, f());  declares x from f()'s value, or returns its error.
// HUBREV_CHECK(g());        returns g()'s error, if it is one.
#define HUBREV_CONCAT_(a, b) a##b
#define HUBREV_CONCAT(a, b) HUBREV_CONCAT_(a, b)
#define HUBREV_TRY_(tmp, decl, expr)            \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()
#define HUBREV_TRY(decl, expr) HUBREV_TRY_(HUBREV_CONCAT(hubrev_try_, __LINE__), decl, expr)
#define HUBREV_CHECK(expr)                                \
  do {                                                    \
    if (auto hubrev_check = (expr); !hubrev_check.ok()) { \
      return std::move(hubrev_check).error();             \
    }                                                     \
  } while (false)

}  // namespace hubrev
