#define CAF_TEST_NO_MAIN
#include <caf/test/unit_test_impl.hpp>

#include "actors/gateway/gateway.hpp"
#include "messages/all_ids.hpp"

int main(int argc, char** argv) {
  troupe::init_message_types();
  troupe::init_gateway_types();
  return caf::test::main(argc, argv);
}
