#pragma once
#include "runtime/etcd/talk.hpp"

#include <deque>
#include <set>

namespace troupe::etcd {

/// The members of an etcd cluster and our connections to them, on one I/O thread.
class members {
public:
  /// @throws std::invalid_argument
  members(net::io_executor ex, std::shared_ptr<net::dns_cache> dns, const client_options& options);

  [[nodiscard]] std::size_t count() const noexcept { return all_.size(); }
  /// Whom to ask first.
  [[nodiscard]] std::size_t favourite() const noexcept { return favourite_; }
  /// This one did not serve us: if it was the favourite, the next is.
  void give_up(std::size_t member) noexcept {
    if (favourite_ == member)
      favourite_ = (member + 1) % all_.size();
  }
  /// Scheme, host and port: what may be shown.
  [[nodiscard]] std::string shown(std::size_t member) const;

  struct attempt {
    answer got;
    bool sent = false; ///< At least in part.
    clock::time_point began{};
  };
  /// One POST to one member. `connect` is when a connection must be there; the answer when `by`
  /// ends, which is set to `finish` then.
  step<void> ask(std::size_t member, std::shared_ptr<errand> by, clock::time_point connect,
                 clock::time_point finish, std::string_view path, std::string_view body,
                 const line_taker& each, attempt& out);

  [[nodiscard]] net::io_executor executor() const noexcept { return ex_; }

  /// Ends all errands and closes all connections; later errands end at once.
  void close();

private:
  std::unique_ptr<net::client_connection> take_idle(std::size_t member);

  net::io_executor ex_;
  dialer dialer_;
  std::vector<net::target> all_;
  std::vector<std::deque<std::unique_ptr<net::client_connection>>> idle_; ///< By member.
  std::set<std::shared_ptr<errand>> errands_;
  std::size_t favourite_ = 0;
  bool closed_ = false;
};

} // namespace troupe::etcd
