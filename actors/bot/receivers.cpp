#include "actors/bot/receiver.hpp"

namespace troupe::bot {

std::unique_ptr<receiver> make_receiver(updates::delivery_mode mode, inbox& to) {
  switch (mode) {
  case updates::delivery_mode::relay:
    return make_relay(to);
  case updates::delivery_mode::pull:
    return make_puller(to);
  case updates::delivery_mode::native:
    return make_native(to);
  case updates::delivery_mode::rules:
    return make_ruler(to);
  }
  return nullptr;
}

} // namespace troupe::bot
