#include "plugin/worker/doctor.h"

#include "plugin/worker/doctor_disk.h"
#include "plugin/worker/doctor_server.h"

namespace hubrev {

std::vector<Finding> doctor(const DoctorRequest& request, const std::stop_token& stop) {
  const ServerFindings server = check_server(request, stop);
  return {server.token,
          server.endpoint,
          server.route,
          server.repository,
          server.round_trip,
          check_spool(request.settings, request.output_dir),
          check_space(request.settings, request.output_dir),
          server.clock};
}

}  // namespace hubrev
