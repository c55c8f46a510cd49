// The production backend of machines without a GPU: oneDNN primitives and vector kernels of our own, fp32.
//
// Everything is decided at compile time of a stage: primitives, layouts, buffers, the arguments of every
// call. Convolutions of few channels run on our own kernels with samples in vector lanes
// (lanes_convolution.h); all others and the linear layers run on oneDNN with the layouts it asks for,
// reordered only where neighbours disagree. Threads are OpenMP's: run() sets the team size of the calling
// thread for its own duration, so any one thread at a time may call into an executable, and several ranks may
// live in one process as threads. Results depend on inputs and thread count alone; the same ones give the
// same bits on the same machine.
#pragma once

#include <memory>

#include "kernels/base/backend.h"

namespace dml {

/// A backend whose operations use `threads` threads. Throws UsageError when `threads` is not positive.
std::unique_ptr<Backend> make_cpu_backend(int threads);

}  // namespace dml
