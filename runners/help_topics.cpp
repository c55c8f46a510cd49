#include "runners/help_topics.h"

#include <array>

namespace dml {
namespace {

constexpr std::string_view kModes =
    R"(A mode says how ranks share the work of one update. All of them compute the same thing.

  single           one rank holds the model and the batch. The base that the others are compared
                   with.
  data-parallel    every rank holds the whole model (a replica) and a share of the batch;
                   gradients are summed over ranks before the update.
      --aggregate allreduce    sums travel through a ring [default]
      --aggregate allgather    every rank gets every gradient and adds them up itself, in rank
                               order
      --bucket-bytes N         gradients travel in flat buckets of at most this size
  model-parallel   the layers are cut into stages, one rank each; activations go forward, their
                   gradients back.
      --split conv-fc          one cut, before the first linear layer [default]
      --split 1,3              cuts before layers 1 and 3: three stages, three ranks
      --schedule sequential    one micro-batch after another, forward then backward
      --schedule gpipe         all forwards, then all backwards, so that stages work at the same
                               time
      --micro-batches M        slices of the batch in the pipeline

--batch is the number of samples per update over all ranks, in every mode, so the same --batch
is the same computation: --mode data-parallel --ranks 2 --batch 32 gives each rank 16.
--batch-per-rank 32 keeps the load per rank instead, and the batch grows with the ranks.

No schedule beats the largest stage: before a run its share of the work and the ceiling are
printed.
)";

constexpr std::string_view kData =
    R"(Data sets are MNIST's IDX files, plain or .gz, in a folder with their usual names
(train-images-idx3-ubyte, ...). They are looked for in the usual places, which `dml_engine
doctor` lists with what it found; --data-dir DIR names another one.

  --dataset fashion-mnist   70,000 images of clothes in 10 classes [default]; on Debian:
                                apt-get install dataset-fashion-mnist
  --dataset mnist           70,000 handwritten digits, in the layouts torchvision writes
  --dataset synthetic       made on the spot, for trying things out; its accuracy says nothing
                            about real data

  --limit-train N, --limit-test N   only the first N samples, in file order
)";

constexpr std::string_view kTraining =
    R"(  --epochs N               passes over the training set [2]; --steps N ends earlier
  --batch N                samples per update over all ranks [32]
  --accumulate K           each replica works through its share in K slices; less memory, same
                           result
  --optimizer sgd          w -= lr * m, m = momentum * m + g  [default, --momentum 0.9];
                           --nesterov
  --optimizer adam         Kingma and Ba, 2015
  --weight-decay X         adds X * w to the gradient, for both optimizers
  --lr X                   the base learning rate [0.01]
  --lr-schedule constant   [default]
  --lr-schedule step:epochs=10,gamma=0.1   times gamma every 10 epochs
  --lr-schedule cosine     down to zero at the end of the run
      each of them takes warmup=STEPS: --lr-schedule cosine:warmup=200
  --seed N                 decides weights and data order: the same command gives the same bits

Gradients are summed over the samples of an update and divided by their number, however they are
split. A loss that becomes NaN ends the run with exit code 1, naming step and layer.
)";

constexpr std::string_view kRun =
    R"(  --run-dir DIR            metrics.jsonl, weights.safetensors, checkpoints and result.json
                           (written last: where it is, the run succeeded). Without it nothing is
                           kept.
  --checkpoint-every N     a checkpoint every N steps; Ctrl-C, SIGTERM and SIGHUP write one
  --resume                 continue from the newest checkpoint in --run-dir, bit for bit on the
                           same ranks
  --save-to FILE           the final weights as safetensors, in PyTorch's layout
  --init-from FILE         start from such a file
  --deadline SECONDS       how long a rank waits for its peers before the run ends [60]
  --json                   one object on stdout; nothing there when the run fails
  --quiet                  no progress
  --dry-run                print every value with its source, and stop

Results go to stdout, everything else to stderr. Progress is a bar on a terminal and plain lines
elsewhere.
)";

constexpr std::string_view kExitCodes = R"(  0     done
  1     ran, and the answer is no: the loss became NaN or infinite
  64    a flag or a combination of flags cannot work
  65    a file exists, but its content is wrong
  69    a device, a library or another rank is not there (a rank was killed or stalled)
  70    a defect of the program
  74    the system refused to read or write
  75    stopped by a signal, with a checkpoint to resume from
  130   stopped by Ctrl-C without a checkpoint
  143   stopped by SIGTERM or SIGHUP without a checkpoint

When ranks fail, the code is that of the rank that caused it, not of those that lost a peer.
)";

constexpr std::string_view kLaunchers =
    R"(Without a launcher, dml_engine starts one process per rank on this machine by itself and watches
over them: when one dies or stalls all end within seconds, and the message names rank, step and
reason.

  dml_engine --mode data-parallel --ranks 2

A launcher that sets the variables of torchrun starts the ranks itself; dml_engine then never
starts others:

  torchrun --no-python --nproc-per-node 2 dml_engine --mode data-parallel

  RANK, WORLD_SIZE, LOCAL_RANK     required together
  LOCAL_WORLD_SIZE                 ranks on this machine, which share its cores
  MASTER_ADDR, MASTER_PORT         where rank 0 is

torchrun's own agent listens on MASTER_PORT, so the ranks meet at MASTER_ADDR:(MASTER_PORT + 1),
or at --rendezvous HOST:PORT, an address of rank 0's machine. On one machine without a launcher
they meet in a private directory and no port is needed.
)";

constexpr std::string_view kEnvironment =
    R"(  RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT
                             set by launchers, see `help launchers`
  XDG_RUNTIME_DIR, TMPDIR    where the private directory of local ranks is made [/tmp]
  DML_DATA_DIR               as --data-dir
  NO_COLOR                   no colour, also on a terminal
  OMP_WAIT_POLICY, GOMP_SPINCOUNT
                             how OpenMP threads wait; a short spin when neither is set
  DML_RANK, DML_WORLD_SIZE, DML_LAUNCH_DIRECTORY
                             private: set for the ranks that dml_engine starts itself

Cores are counted by the affinity mask (taskset) and the CPU quota of the cgroup (containers);
--threads overrides. Flags win over the environment; where they contradict each other that is an
error naming both.
)";

constexpr std::string_view kDevices =
    R"(  --device auto    a GPU where the build has CUDA and the machine a GPU, else the CPU [default]
  --device cpu     oneDNN, and vector kernels of our own
  --device cuda    our CUDA kernels; `doctor` says for which GPUs they were compiled
  --device emulator
                   the same kernels on the CPU, every CUDA thread by itself: to look for mistakes
                   in them, a hundred times slower and more. Try --limit-train 640.
  --gpus 0,1       GPUs of the ranks on this machine, among those that CUDA_VISIBLE_DEVICES shows;
                   0,0 lets two ranks share one [rank r has GPU r; data-parallel: all of them]
  --communicator C between GPUs: nccl, or staged through the host [auto: nccl where every rank has a
                   GPU of its own and finds libnccl.so.2; DML_NCCL_LIBRARY may name one]
  --threads T      per rank [usable cores / ranks on this machine]
  --ranks N        processes that share the work [2 in parallel modes, one per stage in
                   model-parallel]

Where a GPU is asked for and there is none, the error says what was found and which line runs the
same job on the CPU.
)";

constexpr std::string_view kStragglers =
    R"(A rank that is slower than the others shows as their waiting. The lab:

  --slow rank=1,phase=forward,factor=1.5
                           makes a rank dawdle: after its forward or backward (factor of what the
                           phase took, or ms=20), or before it communicates (ms=20). jitter=5 adds
                           up to so many milliseconds at random, also alone.
  --share speed            deals each batch in proportion to how fast each replica was measured to
                           be. The same samples in the same updates; they are added in another
                           order, which depends on the clock, so the bits do too.
  --local-steps K          replicas train alone for K steps, each with its own samples, and then
                           average weights and optimizer state by samples; so does the end of an
                           epoch. A different computation, unless K is 1 and the rule SGD.

After training, ranks that do the same work are held against each other by what each does alone:
forward, backward, update, and what comes before a communication. Where one stands out it is named
with its phase, also in the JSON object ("straggler").
)";

constexpr std::string_view kStudies =
    R"(A study trains a grid of arms with several seeds each, keeps every result, and reports what the
numbers support.

  dml_engine study --run-dir runs/mine --seeds 0..4 \
      --grid 'mode=data-parallel; sampler=balanced random'
  dml_engine study --study docs/lab.study --run-dir runs/lab
  dml_engine report runs/lab            # report.html and report.md again, also of a single run

A study file:

  question = Who has which samples: does it matter?
  epochs = 2                            # for all sections: any flag of train, without dashes
  seeds = 0..4                          # runs of each arm; numbers or a range

  [sampling]                            # a comparison, with a baseline of its own
  mode = data-parallel
  sampler = balanced random             # several values: an axis of the grid
  local-steps = none 50                 # none: without the flag
  batch-policy = global per-rank per-rank-scaled-lr
  baseline = sampler=balanced local-steps=none batch-policy=global

What --batch means is never left open: global, the same batch over all ranks; per-rank, the same on
each; per-rank-scaled-lr, the learning rate times the number of replicas as well. Settings that mean
nothing to an arm's mode are left out of it.

Runs are made one at a time, seed by seed, each with its own process. --dry-run lists them. Ctrl-C
and SIGTERM stop after nothing is lost; the same command goes on, and may ask for more seeds.
--epochs, --model, --dataset, --limit-train, ... override the file.
)";

constexpr std::array kTopics = {
    HelpTopic{"modes", "single, data-parallel, model-parallel and what they compute", kModes},
    HelpTopic{"devices", "devices, ranks and threads", kDevices},
    HelpTopic{"data", "data sets and where they are looked for", kData},
    HelpTopic{"training", "optimizers, schedules, batches", kTraining},
    HelpTopic{"studies", "grids of runs, and the report on them", kStudies},
    HelpTopic{"stragglers", "a slow rank: make one, find it, live with it", kStragglers},
    HelpTopic{"run", "what is kept, resuming, output", kRun},
    HelpTopic{"launchers", "torchrun, and ranks that dml_engine starts itself", kLaunchers},
    HelpTopic{"environment", "variables that are read", kEnvironment},
    HelpTopic{"exit-codes", "what the exit code says", kExitCodes},
};

}  // namespace

std::span<const HelpTopic> help_topics() {
  return kTopics;
}

}  // namespace dml
