#define CAF_SUITE methods
#include "runtime/telegram/methods.hpp"

#include "runtime/telegram/method_table.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <set>

namespace troupe::methods_suite {

using namespace troupe::telegram;

namespace {

std::string with_case(std::string_view name, int (*change)(int)) {
  std::string result{name};
  std::transform(result.begin(), result.end(), result.begin(),
                 [change](unsigned char c) { return static_cast<char>(change(c)); });
  return result;
}

} // namespace

SCENARIO("every method is found by its name in any case") {
  std::size_t wrong = 0;
  for (std::uint16_t i = 1; i < methods().size(); ++i) {
    auto name = methods()[i].name;
    if (find_method(name) != i || find_method(with_case(name, tolower)) != i
        || find_method(with_case(name, toupper)) != i)
      ++wrong;
  }
  CHECK_EQ(wrong, 0u);
  CHECK_GT(methods().size(), 170u);
  CHECK_EQ(method(find_method("setWebHook")).name, "setWebhook");
}

SCENARIO("old names lead to the methods that replaced them") {
  CHECK_EQ(method(find_method("kickchatmember")).name, "banChatMember");
  CHECK_EQ(method(find_method("getChatMembersCount")).name, "getChatMemberCount");
}

SCENARIO("what is no method is the unknown one") {
  CHECK_EQ(find_method(""), unknown_method);
  CHECK_EQ(find_method("sendMessag"), unknown_method);
  CHECK_EQ(find_method("sendMessagee"), unknown_method);
  CHECK_EQ(find_method(std::string(100'000, 'a')), unknown_method);
  CHECK_EQ(method(unknown_method).name, "");
  CHECK_EQ(method(65535).name, "");
  CHECK(!method(unknown_method).repeatable());
}

SCENARIO("traits agree with what methods do") {
  GIVEN("the table") {
    THEN("whatever makes a message is not repeatable, and every get only reads") {
      for (auto& x : methods()) {
        if (x.has(method_trait::produces_message))
          CHECK(!x.repeatable());
        if (x.name.starts_with("get") && x.name != "getUpdates")
          CHECK(x.has(method_trait::read));
      }
    }
    THEN("the exceptions are what the documentation says") {
      CHECK(!method(find_method("sendChatAction")).has(method_trait::produces_message));
      CHECK(!method(find_method("editMessageText")).has(method_trait::produces_message));
      CHECK(method(find_method("copyMessages")).has(method_trait::produces_message));
      CHECK(!method(find_method("sendGift")).repeatable());
      CHECK(!method(find_method("createInvoiceLink")).repeatable());
      CHECK(method(find_method("deleteMessage")).repeatable());
      // What is the last or the current one is another one the second time.
      for (auto name :
           {"unpinChatMessage", "removeMyProfilePhoto", "removeBusinessAccountProfilePhoto"})
        CHECK(!method(find_method(name)).repeatable());
      CHECK(method(find_method("getUpdates")).has(method_trait::long_poll));
      CHECK(method(find_method("close")).has(method_trait::local));
      CHECK(method(find_method("logout")).has(method_trait::local));
    }
  }
}

SCENARIO("a method's index is known at compile time") {
  constexpr auto index = method_index("sendMessage");
  CHECK_EQ(find_method("sendmessage"), index);
  CHECK_EQ(method(index).result, "Message");
}

} // namespace troupe::methods_suite
