// Who this process is, as its environment says it.
//
// Three cases: nobody started it as a rank; our own supervisor did, through private DML_* variables; or a
// launcher did, through the variables torchrun sets:
//   RANK, WORLD_SIZE, LOCAL_RANK     required together
//   LOCAL_WORLD_SIZE                 optional
//   MASTER_ADDR, MASTER_PORT         where rank 0 is; torchrun's own agent listens on MASTER_PORT, so the
//   ranks
//                                    meet on the port above it
// A process that was started as a rank never starts others.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace dml {

/// Environment variables, by name.
using Variables = std::map<std::string, std::string, std::less<>>;

struct Contract {
  enum class Source { standalone, supervisor, launcher };
  Source source = Source::standalone;
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  std::string master_address;  ///< launcher only; empty when the variables are not set
  int master_port = 0;
  std::string directory;  ///< supervisor only: its private directory

  [[nodiscard]] bool is_rank() const { return source != Source::standalone; }
  /// "MASTER_ADDR:MASTER_PORT + 1", or empty when the launcher did not set them.
  [[nodiscard]] std::string rendezvous_address() const;
};

/// Throws UsageError naming the variables that are missing, malformed or contradict each other.
Contract read_contract(const Variables& variables);

/// The variables that our supervisor sets for rank `rank` of `world_size` on this host.
Variables supervisor_variables(const std::string& directory, int rank, int world_size);

/// Every variable that read_contract() looks at.
bool is_contract_variable(const std::string& name);

}  // namespace dml
