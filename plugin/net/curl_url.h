#pragma once
// What may be sent where. URLs are taken apart by curl's own parser, so that the host that is
// judged is the host that is asked.

#include <string>
#include <string_view>

#include "plugin/net/http.h"

namespace hubrev {

// Whether it is on 127.0.0.0/8, [::1] or localhost; the scheme may be left out. A name that is only
// said to lead there is not believed.
bool is_this_machine(const std::string& url);

// kConfig when the URL is none of http(s), or when the request would carry a credential or a body
// unencrypted to another machine and `allow_http` is not set.
Status check_destination(const HttpRequest& request, bool allow_http);

// Where a redirect leads, for a request that takes its credential and body along: a renamed
// repository redirects within its host. kRejected when scheme, host or port differ.
Result<std::string> redirect_target(const std::string& from, std::string_view location);

// The same for a request that leaves its credential behind: any host, but kRejected for http://
// after https://.
Result<std::string> foreign_redirect_target(const std::string& from, std::string_view location);

}  // namespace hubrev
