#include "runners/doctor.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/train/backends.h"
#include "kernels/base/error.h"
#include "runners/cli/terminal.h"
#include "runners/launch/cores.h"
#include "runners/launch/private_directory.h"
#include "runners/library_versions.h"
#include "runners/text.h"
#include "runners/version.h"

namespace dml {
namespace {

struct Finding {
  bool found = true;
  std::string name;
  std::string text;  ///< what was found, or what is missing and how to get it
};

Finding find_cpu(const Environment& environment) {
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  std::string text = cpu_name() + ", " + plural(environment.usable_cores, "usable core") + " of " +
                     std::to_string(online) + ", oneDNN uses " + onednn_instruction_set();
  if (const std::optional<double> quota = cgroup_cpu_quota("/")) {
    text += "; the cgroup allows " + decimal(*quota, 1) + " cores";
  }
  return {true, "CPU", text};
}

std::vector<Finding> find_gpus(const Environment& environment) {
  const bool has_cuda = environment.least_compute.has_value();
  const NvidiaInventory inventory = environment.find_gpus();
  std::vector<Finding> findings;
  if (inventory.devices.empty()) {
    findings.push_back({false, "GPU", inventory.problem + "; runs use the CPU"});
  }
  for (const NvidiaDevice& device : inventory.devices) {
    findings.push_back({true, "GPU",
                        device.name + ", compute capability " + device.compute.text() + ", " +
                            decimal(static_cast<double>(device.memory_bytes) / (1 << 30), 1) +
                            " GiB; the driver speaks CUDA " + inventory.driver_api +
                            (has_cuda ? "" : "; this build has no CUDA backend and uses the CPU")});
  }
  findings.push_back(
      {has_cuda, "CUDA backend",
       has_cuda ? "built, for compute capability " + environment.least_compute->text() + " and newer"
                : "not built: no nvcc"});
  const std::string toolkit = cuda_toolkit_version();
  findings.push_back({!toolkit.empty(), "CUDA toolkit",
                      toolkit.empty() ? "none when this program was built; not needed on the CPU"
                                      : toolkit + " when this program was built"});
  return findings;
}

Finding find_backend(Device device, const std::string& name) {
  try {
    RunConfig config;
    config.device = device;
    static_cast<void>(make_backend(config, 0));
    return {true, name, "starts"};
  } catch (const std::exception& error) {
    return {false, name, std::string("does not start: ") + error.what()};
  }
}

std::vector<Finding> find_data_sets(const std::string& directory) {
  std::vector<Finding> findings;
  for (const std::string& name : dataset_names()) {
    if (name == "synthetic") {
      findings.push_back({true, name, "made on the spot"});
      continue;
    }
    const std::string folder = find_dataset(name, directory);
    if (!folder.empty()) {
      findings.push_back({true, name, folder});
      continue;
    }
    std::string places;
    for (const std::string& place : dataset_search_path(name, directory))
      places += (places.empty() ? "" : ", ") + place;
    const std::string fix = name == "fashion-mnist"
                                ? "apt-get install dataset-fashion-mnist, or --data-dir DIR"
                                : "put its four IDX files into one of these, or --data-dir DIR";
    findings.push_back({false, name, "not in " + places + "; " + fix});
  }
  return findings;
}

/// Ranks on one machine talk over loopback: bind, connect and accept once.
Finding find_loopback() {
  const auto missing = [](const char* call) {
    return Finding{false, "loopback",
                   std::string(call) + " on 127.0.0.1: " + std::strerror(errno) +
                       "; ranks cannot talk, only --mode single works"};
  };
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return missing("socket");
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Finding finding{true, "loopback", "127.0.0.1 connects"};
  if (bind(listener, generic, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, generic, &size) != 0) {
    finding = missing("bind");
  } else if (client < 0 || ::connect(client, generic, size) != 0) {
    finding = missing("connect");
  }
  close(listener);
  if (client >= 0) close(client);
  return finding;
}

Finding find_temporary_directory(const Environment& environment) {
  try {
    const PrivateDirectory directory(environment.variables);
    return {true, "private dir", directory.path().parent_path().string() + " is writable"};
  } catch (const Error& error) {
    return {false, "private dir", error.what()};
  }
}

void print(const Finding& finding) {
  constexpr std::size_t kTextColumn = 24;
  std::string head = finding.found ? "ok       " : "missing  ";
  head += finding.name;
  head.resize(std::max(head.size() + 2, kTextColumn), ' ');
  const std::string line = wrapped(head + finding.text, kTextColumns, kTextColumn);
  std::printf("%s\n", line.c_str());
}

}  // namespace

int run_doctor(const Invocation& invocation, const Environment& environment) {
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> more) {
    findings.insert(findings.end(), more.begin(), more.end());
  };
  add({find_cpu(environment)});
  const Finding backend = find_backend(Device::cpu, "CPU backend");
  add({backend, find_backend(Device::emulator, "emulator")});
  add(find_gpus(environment));
  for (const LibraryVersion& library : library_versions()) {
    add({{true, library.name, library.version + ", " + library.role}});
  }
  add(find_data_sets(invocation.config.data.directory));
  add({find_loopback(), find_temporary_directory(environment)});

  std::printf("dml_engine %s (%s)\n", version(), git_revision());
  for (const Finding& finding : findings) print(finding);
  return backend.found ? 0 : static_cast<int>(ExitCode::unavailable);
}

}  // namespace dml
