#define CAF_TEST_NO_MAIN
#include <caf/test/unit_test_impl.hpp>

#include "messages/all_ids.hpp"

int main(int argc, char** argv) {
  troupe::init_message_types();
  return caf::test::main(argc, argv);
}
