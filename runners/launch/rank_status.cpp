#include "runners/launch/rank_status.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

namespace dml {
namespace {

namespace fs = std::filesystem;

fs::path progress_path(const fs::path& directory) {
  return directory / "progress";
}
fs::path failure_path(const fs::path& directory, int rank) {
  return directory / ("failure-" + std::to_string(rank));
}

}  // namespace

std::shared_ptr<ProgressPage> ProgressPage::map(const fs::path& directory, int ranks, int open_flags) {
  const fs::path path = progress_path(directory);
  const std::size_t bytes = static_cast<std::size_t>(ranks) * sizeof(ProgressSlot);
  const int descriptor = ::open(path.c_str(), open_flags | O_RDWR | O_CLOEXEC, 0600);
  void* memory = MAP_FAILED;
  const bool sized = descriptor >= 0 &&
                     ((open_flags & O_CREAT) == 0 || ftruncate(descriptor, static_cast<off_t>(bytes)) == 0);
  if (sized) memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  const int reason = errno;  // before close() may change it
  if (descriptor >= 0) ::close(descriptor);
  if (memory == MAP_FAILED) {
    throw IoError("cannot map the progress page " + path.string() + ": " + std::strerror(reason));
  }
  return std::shared_ptr<ProgressPage>(
      new ProgressPage({static_cast<ProgressSlot*>(memory), static_cast<std::size_t>(ranks)}));
}

std::shared_ptr<ProgressPage> ProgressPage::create(const fs::path& directory, int ranks) {
  auto page = map(directory, ranks, O_CREAT | O_EXCL);
  for (int rank = 0; rank < ranks; ++rank) page->slot(rank).step.store(-1, std::memory_order_relaxed);
  return page;
}

std::shared_ptr<ProgressPage> ProgressPage::open(const fs::path& directory, int ranks) {
  return map(directory, ranks, 0);
}

ProgressPage::~ProgressPage() {
  munmap(slots_.data(), slots_.size_bytes());
}

void write_rank_failure(const fs::path& directory, int rank, const RankFailure& failure) noexcept {
  try {
    const fs::path path = failure_path(directory, rank);
    const fs::path temporary = path.string() + ".tmp";
    {
      std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
      file << static_cast<int>(failure.code) << ' ' << (failure.lost_peer ? "peer" : "cause") << '\n'
           << failure.message;
      file.close();
      if (!file) return;
    }
    fs::rename(temporary, path);
  } catch (const std::exception&) {
    return;  // the supervisor will report the exit code without a message
  }
}

std::optional<RankFailure> read_rank_failure(const fs::path& directory, int rank) {
  std::ifstream file(failure_path(directory, rank), std::ios::binary);
  int code = 0;
  std::string kind;
  if (!(file >> code >> kind)) return std::nullopt;
  file.get();  // the newline
  std::ostringstream message;
  message << file.rdbuf();
  return RankFailure{static_cast<ExitCode>(code), kind == "peer", message.str()};
}

}  // namespace dml
