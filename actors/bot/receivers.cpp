#include "actors/bot/receiver.hpp"

namespace troupe::bot {

std::unique_ptr<receiver> make_receiver(updates::delivery_mode mode, inbox& to) {
  switch (mode) {
  case updates::delivery_mode::relay:
    return make_relay(to);
  default:
    return nullptr;
  }
}

} // namespace troupe::bot
