#include "actors/cluster/state.hpp"

/// The leader may be cut off from a node though both are members: the node would have no part of
/// the global budget, and its bots would be nobody's. It asks by way of etcd then. A slice counts
/// from when it was asked for, so it does not matter how long that takes or whether it comes twice.
namespace troupe::clustering {
namespace {

constexpr std::chrono::milliseconds letter_limit{500}; ///< As the governor waits.

} // namespace

/// The governor asks one question at a time: an earlier one that was not answered is given up.
caf::result<slice_given> cluster_state::write_letter(const slice_ask& x) {
  drop_letter();
  auto promise = self->make_response_promise<slice_given>();
  asked = letter{x.number, promise};
  ask(etcd::put{keys.ask(cfg.node), to_text(x), lease}, letter_limit,
      [this, number = x.number](const etcd::result& said) {
        if (said.what != etcd::status::done && asked && asked->number == number)
          drop_letter();
      });
  return promise;
}

void cluster_state::drop_letter() {
  if (auto old = std::exchange(asked, std::nullopt))
    old->answer.deliver(caf::make_error(ec::draining));
}

/// @returns whether it is one, of whoever
bool cluster_state::read_letter(const etcd::entry& x) {
  auto place = keys.read(x.key);
  if (place.what == key_space::kind::ask) {
    if (x.created != 0)
      answer_letter(place.name, x);
    return true;
  }
  if (place.what != key_space::kind::given)
    return false;
  if (place.name != cfg.node || !asked)
    return true;
  auto given = read_given(x.value);
  if (!given || given->request != asked->number)
    return true;
  slice = given->count;
  std::exchange(asked, std::nullopt)->answer.deliver(*given);
  return true;
}

/// Under the asker's lease: it goes when that one does.
void cluster_state::answer_letter(const std::string& from, const etcd::entry& x) {
  auto what = from != cfg.node && leads() ? read_ask(x.value) : std::nullopt;
  auto given = what ? book.answer(*what, now()) : std::nullopt;
  if (given)
    ask(etcd::put{keys.given(from), to_text(*given), x.lease}, letter_limit, [](const auto&) {});
}

} // namespace troupe::clustering
