// Our declarations of NCCL against its own header and the installed library, where they are.
#include "engine/comm/nccl_library.h"

#include <gtest/gtest.h>

#include "engine/comm/nccl_communicator.h"
#include "kernels/base/error.h"

#if __has_include(<nccl.h>)
#include <cstddef>
#include <nccl.h>
#define DML_HAS_NCCL_HEADER 1
#endif

namespace dml {
namespace {

#if defined(DML_HAS_NCCL_HEADER)
template <class Ours, class Theirs>
constexpr bool is(Ours ours, Theirs theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(is(nccl::Result::success, ncclSuccess));
static_assert(is(nccl::Result::unhandled_cuda_error, ncclUnhandledCudaError));
static_assert(is(nccl::Result::system_error, ncclSystemError));
static_assert(is(nccl::Result::internal_error, ncclInternalError));
static_assert(is(nccl::Result::invalid_argument, ncclInvalidArgument));
static_assert(is(nccl::Result::invalid_usage, ncclInvalidUsage));
static_assert(is(nccl::Result::remote_error, ncclRemoteError));
static_assert(is(nccl::Result::in_progress, ncclInProgress));
static_assert(is(nccl::DataType::uint8, ncclUint8));
static_assert(is(nccl::DataType::int32, ncclInt32));
static_assert(is(nccl::DataType::int64, ncclInt64));
static_assert(is(nccl::DataType::float32, ncclFloat32));
static_assert(is(nccl::DataType::float64, ncclFloat64));
static_assert(is(nccl::Reduction::sum, ncclSum));
static_assert(sizeof(nccl::UniqueId) == sizeof(ncclUniqueId));
static_assert(offsetof(nccl::Config, size) == offsetof(ncclConfig_t, size));
static_assert(offsetof(nccl::Config, magic) == offsetof(ncclConfig_t, magic));
static_assert(offsetof(nccl::Config, version) == offsetof(ncclConfig_t, version));
static_assert(offsetof(nccl::Config, blocking) == offsetof(ncclConfig_t, blocking));

TEST(NcclTypes, TheConfigurationCarriesTheHeadersMagic) {
  const ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
  EXPECT_EQ(nccl::Config().magic, theirs.magic);
}
#else
TEST(NcclTypes, AreThoseOfTheHeader) {
  GTEST_SKIP() << "nccl.h is not installed";
}
#endif

TEST(NcclLibrary, TheInstalledOneLoads) {
  std::shared_ptr<const NcclLibrary> library;
  try {
    library = load_nccl();
  } catch (const UnavailableError& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_GE(library->version, 21400);
  EXPECT_EQ(library->version_text().substr(0, 2), "2.");
  EXPECT_NE(std::string(library->get_error_string(nccl::Result::system_error)), "");
}

}  // namespace
}  // namespace dml
