// The part of NCCL's interface that the engine uses, declared here so that it builds where nccl.h is absent.
//
// Source: nccl.h of NCCL 2.28; a test compares every value and layout with it where it is installed. NCCL
// keeps these stable within version 2. Names follow nccl.h without its prefix.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dml::nccl {

enum class Result : std::int32_t {
  success = 0,
  unhandled_cuda_error = 1,
  system_error = 2,
  internal_error = 3,
  invalid_argument = 4,
  invalid_usage = 5,
  remote_error = 6,
  in_progress = 7,
};

enum class DataType : std::int32_t { uint8 = 1, int32 = 2, int64 = 4, float32 = 7, float64 = 8 };

enum class Reduction : std::int32_t { sum = 0 };

/// How ranks find each other: made by one, told to all.
struct UniqueId {
  std::array<char, 128> internal;
};

using Communicator = struct OpaqueCommunicator*;
using CudaStream = void*;  ///< a cudaStream_t

/// The configuration of version 2.14, the first that knew `blocking`. Every later NCCL reads what its size
/// and version say and takes its own defaults for the rest.
struct Config {
  std::size_t size = sizeof(Config);
  std::uint32_t magic = 0xcafebeef;
  std::uint32_t version = 21400;
  std::int32_t blocking = 0;
};

using GetVersion = Result(int* version);
using GetUniqueId = Result(UniqueId* id);
using CommInitRankConfig = Result(Communicator* communicator, int ranks, UniqueId id, int rank,
                                  Config* config);
using CommFinalize = Result(Communicator communicator);
using CommDestroy = Result(Communicator communicator);
using CommGetAsyncError = Result(Communicator communicator, Result* error);
using GetErrorString = const char*(Result result);
using GetLastError = const char*(Communicator communicator);
using GroupStart = Result();
using GroupEnd = Result();
using AllReduce = Result(const void* source, void* target, std::size_t count, DataType type,
                         Reduction operation, Communicator communicator, CudaStream stream);
using AllGather = Result(const void* source, void* target, std::size_t count_of_a_rank, DataType type,
                         Communicator communicator, CudaStream stream);
using Broadcast = Result(const void* source, void* target, std::size_t count, DataType type, int root,
                         Communicator communicator, CudaStream stream);
using Send = Result(const void* source, std::size_t count, DataType type, int peer, Communicator communicator,
                    CudaStream stream);
using Recv = Result(void* target, std::size_t count, DataType type, int peer, Communicator communicator,
                    CudaStream stream);

}  // namespace dml::nccl
