#pragma once
// libgit2's smart transport over our HttpClient. libgit2's own HTTP has no timeout while it waits,
// cannot be cancelled there, and loses the server's words and headers. Internal to this layer.

#include <git2.h>

#include "plugin/git/exchange.h"

namespace hubrev {

// Callbacks that go through `exchange`: transport, side-band text, cancellation. Their payload is
// the Exchange's address. Never registered globally: each remote gets its own.
git_remote_callbacks callbacks_over(Exchange& exchange);

// A remote without a name, whose URL is taken as it is (no insteadOf).
Status make_remote(git_remote** out, const Repository& repository, const Remote& remote,
                   const Exchange& exchange);

}  // namespace hubrev
