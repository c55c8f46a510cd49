#include "runners/launch/cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <thread>
#include <vector>

namespace dml {
namespace {

namespace fs = std::filesystem;

std::optional<double> tighter(std::optional<double> left, std::optional<double> right) {
  if (!left) return right;
  if (!right) return left;
  return std::min(*left, *right);
}

/// cpu.max holds "QUOTA PERIOD" in microseconds, or "max PERIOD".
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0;
  double period = 0;
  if (file >> quota >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

std::optional<double> quota_v1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us");
  std::ifstream period_file(group / "cpu.cfs_period_us");
  double quota = 0;  // -1: no limit
  double period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

/// The tightest quota on the way from `group` up to `mount`. Inside a container the group's path often names
/// a folder of the host that is not visible; then the mount itself is the container's group.
template <typename ReadQuota>
std::optional<double> tightest_quota(const fs::path& mount, const fs::path& group, ReadQuota read_quota) {
  std::optional<double> result = read_quota(mount);
  fs::path folder = mount;
  for (const fs::path& part : group.relative_path()) {
    folder /= part;
    result = tighter(result, read_quota(folder));
  }
  return result;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> result;
  std::ifstream membership(root / "proc/self/cgroup");
  // Lines are "ID:CONTROLLERS:PATH"; v2 has ID 0 and no controllers.
  for (std::string line; std::getline(membership, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      result = tighter(result, tightest_quota(mounts, group, quota_v2));
      continue;
    }
    const std::vector<std::string> names = split_at_commas(controllers);
    if (std::find(names.begin(), names.end(), "cpu") == names.end()) continue;
    result = tighter(result, tightest_quota(mounts / controllers, group, quota_v1));
    if (names.size() > 1) result = tighter(result, tightest_quota(mounts / "cpu", group, quota_v1));
  }
  return result;
}

int usable_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) cores = CPU_COUNT(&mask);
  if (const std::optional<double> quota = cgroup_cpu_quota("/")) {
    cores = std::min(cores, static_cast<int>(std::floor(*quota)));
  }
  return std::max(cores, 1);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace dml
