#include <arpa/inet.h>
#include <array>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/comm/communicator.h"
#include "engine/comm/store.h"
#include "runners/launch/rank_context.h"

namespace dml {
namespace {

constexpr const char* kLoopback = "127.0.0.1";

/// The address of this machine on the route to `address` ("host:port"): connecting a datagram socket sends
/// nothing but makes the kernel choose it. Loopback when the name cannot be resolved; the store will say why.
std::string local_address_towards(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  const std::string port = colon == std::string::npos ? "1" : address.substr(colon + 1);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return kLoopback;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);

  for (const addrinfo* candidate = found; candidate != nullptr; candidate = candidate->ai_next) {
    const int descriptor = socket(candidate->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    sockaddr_storage local{};
    socklen_t size = sizeof(local);
    std::array<char, NI_MAXHOST> text{};
    const bool chosen = ::connect(descriptor, candidate->ai_addr, candidate->ai_addrlen) == 0 &&
                        getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
                        getnameinfo(reinterpret_cast<sockaddr*>(&local), size, text.data(), text.size(),
                                    nullptr, 0, NI_NUMERICHOST) == 0;
    ::close(descriptor);
    if (chosen) return text.data();
  }
  return kLoopback;
}

}  // namespace

std::unique_ptr<Communicator> connect(const RankContext& context, std::chrono::milliseconds deadline,
                                      const WhileWaiting& while_waiting) {
  if (context.world_size == 1) return make_solo_communicator();

  CommunicatorOptions options;
  options.rank = context.rank;
  options.size = context.world_size;
  options.deadline = deadline;
  std::unique_ptr<Store> store;
  if (context.rendezvous_address.empty()) {
    store = make_directory_store(context.rendezvous_directory + "/store", while_waiting);
  } else {
    options.interface_address = local_address_towards(context.rendezvous_address);
    store = make_grpc_store(context.rendezvous_address, context.rank, deadline, while_waiting);
  }
  std::unique_ptr<Communicator> communicator = make_gloo_communicator(*store, options);
  // Rank 0 may host the store: it has to stay until the last rank is through.
  HostStream stream;
  communicator->barrier(stream);
  return communicator;
}

}  // namespace dml
