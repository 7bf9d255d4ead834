#pragma once
// What the doctor finds out about the server and the way to it. Private to this layer.

#include <stop_token>

#include "plugin/worker/doctor.h"

namespace hubrev {

struct ServerFindings {
  Finding token, endpoint, route, repository, round_trip, clock;
};

ServerFindings check_server(const DoctorRequest& request, const std::stop_token& stop);

}  // namespace hubrev
