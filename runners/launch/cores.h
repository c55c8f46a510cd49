// The CPU as this process may use it: its name, and the cores of the affinity mask cut down to the cgroups'
// quota.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace dml {

/// Cores in the affinity mask, at most the quota (rounded down), at least 1.
int usable_cores();

/// Cores that the cgroups of this process may keep busy, the tightest level first found counting; nothing
/// when there is no limit. Reads cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us / cpu.cfs_period_us). `root` is
/// "/" but for tests.
std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root);

/// "Intel(R) Xeon(R) Processor", or "CPU" when the kernel does not say.
std::string cpu_name();

}  // namespace dml
