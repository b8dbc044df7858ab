// A node of a later version, as an earlier one meets it: says things that the other one cannot
// read.
//   troupe-newcomer HOST:PORT CLUSTER      exits with 0 if the node goes on as if nothing had been
//   said
#include "messages/all_ids.hpp"
#include "messages/cluster.hpp"
#include "runtime/peers/links.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/scoped_actor.hpp>

#include <future>
#include <iostream>

namespace troupe::newcomer {
struct later_word {
  std::string text;
};
} // namespace troupe::newcomer

CAF_BEGIN_TYPE_ID_BLOCK(troupe_newcomer, caf::first_custom_type_id + 9000)
CAF_ADD_TYPE_ID(troupe_newcomer, (troupe::newcomer::later_word))
CAF_END_TYPE_ID_BLOCK(troupe_newcomer)

namespace troupe::newcomer {

template <class Inspector>
bool inspect(Inspector& f, later_word& x) {
  return f.object(x).fields(f.field("text", x.text));
}

namespace {

using namespace std::chrono_literals;

/// What a request to the desk comes to.
template <class Answer, class T>
std::string ask(caf::scoped_actor& self, const caf::actor& desk, const T& what) {
  std::string result;
  self->request(desk, 2s, what)
    .receive([&](const Answer&) { result = "answered"; },
             [&](const caf::error& why) { result = caf::to_string(why); });
  return result;
}

int talk(const std::string& address, const std::string& cluster) {
  caf::actor_system_config config;
  peers::link_options options;
  options.cluster = cluster;
  peers::load_links(config, options);
  caf::actor_system system{config};
  peers::links links{system, options};
  std::promise<caf::actor> found;
  links.dial(address, [&found](caf::actor x) { found.set_value(std::move(x)); });
  auto desk = found.get_future().get();
  if (!desk) {
    std::cerr << "no desk at " << address << '\n';
    return 1;
  }
  caf::scoped_actor self{system};
  peer_hello hello{"nobody", 1, caf::actor_cast<caf::strong_actor_ptr>(self)};
  const auto before = ask<peer_welcome>(self, desk, hello);
  std::cout << "hello: " << before << '\n';
  std::cout << "a later word: " << ask<done>(self, desk, later_word{"not read"}) << '\n';
  peer_request wrapped{peer_part::cluster, caf::make_message(later_word{"nor this"})};
  std::cout << "a later word within a request: " << ask<done>(self, desk, wrapped) << '\n';
  for (int i = 0; i < 100; ++i)
    self->send(desk, later_word{"nor any of these"});
  const auto after = ask<peer_welcome>(self, desk, hello);
  std::cout << "hello again: " << after << '\n';
  return before == after && !before.empty() ? 0 : 1;
}

} // namespace
} // namespace troupe::newcomer

int main(int argc, char** argv) {
  if (argc != 3)
    return 2;
  troupe::init_message_types();
  caf::init_global_meta_objects<caf::id_block::troupe_newcomer>();
  return troupe::newcomer::talk(argv[1], argv[2]);
}
