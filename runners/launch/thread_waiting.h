// How long OpenMP's threads spin before they sleep.
//
// GNU OpenMP lets threads that wait for each other spin for milliseconds (300,000 pauses). On a machine where
// anything else runs, a spinning thread keeps the core that the one it waits for needs: training steps of
// less than a millisecond became 5 to 30 times slower (docs/results/thread-waiting.md). The library reads its
// settings before main, so a program that wants others has to start again.
#pragma once

namespace dml {

/// Starts this program again, in the same process, with a short spin, unless OMP_WAIT_POLICY or
/// GOMP_SPINCOUNT is set already: then the user has chosen, or this is the second start. Goes on unchanged
/// when the system refuses. Must be called before any thread is started.
void restart_with_short_spin(char** argv);

}  // namespace dml
