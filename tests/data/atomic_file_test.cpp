// Failures are real ones: file systems that are full or read-only (in a private mount namespace), a file size
// limit, missing permissions. Whatever needs another process state runs in a forked child.
#include "engine/run/atomic_file.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/data/test_files.h"

namespace dml {
namespace {

namespace fs = std::filesystem;
using testing::Bytes;
using testing::expect_error;
using testing::TempDirectory;

constexpr int kCannotTest = 77;

/// Runs `body` in a forked child; returns its result, or 1000 + the signal that killed it.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 99;
    try {
      result = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// 0 when writing `bytes` to `path` throws an IoError whose text has `part`, else a number that tells what
/// happened.
int expect_io_error(const std::string& path, std::size_t bytes, const char* part) {
  try {
    write_file_atomically(path, Bytes(bytes, 7));
  } catch (const IoError& error) {
    if (std::strstr(error.what(), part) != nullptr && std::strstr(error.what(), path.c_str()) != nullptr)
      return 0;
    std::fprintf(stderr, "unexpected text: %s\n", error.what());
    return 2;
  }
  return 3;
}

/// Enters a namespace of this process alone and mounts a tmpfs there; false where the machine forbids it.
bool mount_private_tmpfs(const std::string& at, unsigned long flags, const char* options) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return ::mount("tmpfs", at.c_str(), "tmpfs", flags, options) == 0;
}

std::size_t entries_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(AtomicFile, WritesAndReplaces) {
  const TempDirectory temp;
  write_file_atomically(temp.path("f"), std::string("one"));
  EXPECT_EQ(testing::read_bytes(temp.path("f")), (Bytes{'o', 'n', 'e'}));
  AtomicFile file(temp.path("f"));
  file.write(Bytes{'t', 'w'});
  file.write(Bytes{});
  file.write(Bytes{'o'});
  EXPECT_EQ(testing::read_bytes(temp.path("f")), (Bytes{'o', 'n', 'e'}))
      << "readers see the old file until commit()";
  file.commit();
  EXPECT_EQ(testing::read_bytes(temp.path("f")), (Bytes{'t', 'w', 'o'}));
  EXPECT_EQ(temp.names(), std::vector<std::string>{"f"});
}

TEST(AtomicFile, TheModeFollowsTheUmask) {
  const TempDirectory temp;
  const mode_t before = ::umask(027);
  write_file_atomically(temp.path("f"), std::string("x"));
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(temp.path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(AtomicFile, NothingIsLeftWithoutCommit) {
  const TempDirectory temp;
  {
    AtomicFile file(temp.path("f"));
    file.write(Bytes(1000));
    EXPECT_EQ(temp.names().size(), 1U);
  }
  EXPECT_TRUE(temp.names().empty());
}

TEST(AtomicFile, TwoWritersDoNotMix) {
  const TempDirectory temp;
  AtomicFile a(temp.path("f"));
  AtomicFile b(temp.path("f"));
  a.write(Bytes(100, 'a'));
  b.write(Bytes(50, 'b'));
  b.commit();
  a.commit();
  EXPECT_EQ(testing::read_bytes(temp.path("f")), Bytes(100, 'a'));
  EXPECT_EQ(temp.names().size(), 1U);
}

TEST(AtomicFile, ASymbolicLinkStaysOne) {
  const TempDirectory temp;
  fs::create_directory(temp.path("real"));
  write_file_atomically(temp.path("real/f"), std::string("old"));
  fs::create_symlink("real/f", temp.path("link"));
  write_file_atomically(temp.path("link"), std::string("new"));
  EXPECT_TRUE(fs::is_symlink(temp.path("link")));
  EXPECT_EQ(testing::read_bytes(temp.path("real/f")), (Bytes{'n', 'e', 'w'}));
}

TEST(AtomicFile, DevicesAndDirectoriesAreNotReplaced) {
  const TempDirectory temp;
  expect_error<IoError>([] { AtomicFile file("/dev/full"); }, {"/dev/full", "not a regular file"});
  expect_error<IoError>([&] { AtomicFile file(temp.path()); }, {"not a regular file"});
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(AtomicFile, AMissingDirectory) {
  const TempDirectory temp;
  expect_error<IoError>([&] { AtomicFile file(temp.path("no/f")); },
                        {"no/f", "cannot be written", "No such file", "directory must exist"});
}

TEST(AtomicFile, WritingAfterCommitIsABrokenInvariant) {
  const TempDirectory temp;
  AtomicFile file(temp.path("f"));
  file.commit();
  EXPECT_THROW(file.write(Bytes(1)), InternalError);
  EXPECT_THROW(file.commit(), InternalError);
}

TEST(AtomicFile, AFileSizeLimitIsAnErrorAndNotADeath) {
  const TempDirectory temp;
  write_file_atomically(temp.path("f"), std::string("old"));
  const int result = in_child([&] {
    const rlimit limit{10000, 10000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kCannotTest;
    std::signal(SIGXFSZ, SIG_DFL);
    return expect_io_error(temp.path("f"), 20000, "File too large");
  });
  if (result == kCannotTest) GTEST_SKIP() << "RLIMIT_FSIZE cannot be set here";
  EXPECT_EQ(result, 0);
  EXPECT_EQ(temp.names(), std::vector<std::string>{"f"});
  EXPECT_EQ(testing::read_bytes(temp.path("f")), (Bytes{'o', 'l', 'd'}));
}

TEST(AtomicFile, AFullFileSystem) {
  const TempDirectory temp;
  const int result = in_child([&] {
    if (!mount_private_tmpfs(temp.path(), 0, "size=64k")) return kCannotTest;
    write_file_atomically(temp.path("f"), std::string("old"));
    const int failure = expect_io_error(temp.path("f"), 100'000, "No space left");
    if (failure != 0) return failure;
    if (entries_in(temp.path()) != 1) return 4;
    return testing::read_bytes(temp.path("f")) == Bytes{'o', 'l', 'd'} ? 0 : 5;
  });
  if (result == kCannotTest) GTEST_SKIP() << "no private mounts here";
  EXPECT_EQ(result, 0);
}

TEST(AtomicFile, AReadOnlyFileSystem) {
  const TempDirectory temp;
  const int result = in_child([&] {
    if (!mount_private_tmpfs(temp.path(), MS_RDONLY, nullptr)) return kCannotTest;
    return expect_io_error(temp.path("f"), 1, "Read-only file system");
  });
  if (result == kCannotTest) GTEST_SKIP() << "no private mounts here";
  EXPECT_EQ(result, 0);
}

TEST(AtomicFile, ADirectoryWithoutPermission) {
  const TempDirectory temp;
  fs::permissions(temp.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
  const int result = in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::seteuid(kNobody) != 0) return kCannotTest;  // permissions do not bind root
    return expect_io_error(temp.path("f"), 1, "Permission denied");
  });
  fs::permissions(temp.path(), fs::perms::owner_all);
  if (result == kCannotTest) GTEST_SKIP() << "root cannot become another user here";
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(temp.names().empty());
}

TEST(AtomicFile, ARenameThatFailsLeavesNothing) {
  const TempDirectory temp;
  AtomicFile file(temp.path("f"));
  file.write(Bytes(10));
  fs::create_directory(temp.path("f"));  // it appeared since the check
  expect_error<IoError>([&] { file.commit(); }, {"cannot be replaced"});
  EXPECT_EQ(temp.names(), std::vector<std::string>{"f"});
}

}  // namespace
}  // namespace dml
