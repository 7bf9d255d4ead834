#pragma once

#include "plugin/net/http.h"

namespace hubrev {

// Overwrites the token with asterisks, plain and as Basic carries it, where a server gave back what
// it was sent. Done to the answer as it came, before anything of it is quoted, cut, or kept: no
// error, log or record has to be searched for it afterwards. The answer's length stays as it was.
// The JSON of a success is left alone: it is data, not words, and may hold headers for later
// requests.
void blank_echoes(HttpResponse& response, const Credential& credential);

}  // namespace hubrev
