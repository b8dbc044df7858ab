#define CAF_SUITE telegram_update
#include "runtime/telegram/update.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json.hpp>

#include <random>
#include <string>

namespace troupe::update_suite {

using namespace troupe::telegram;
using namespace std::literals;

namespace {

struct sample {
  std::string_view kind;
  std::string_view json;
  std::uint8_t by_chat; ///< 1: ordered by chat
  std::int64_t key;
  std::int64_t chat;
  std::int64_t sender;
};

// In the form of the official server's answers, one of each kind.
const sample samples[] = {
  {"message",
   R"({"update_id":1,
"message":{"message_id":5,"from":{"id":77,"is_bot":false,"first_name":"\u041c\u0430\u0448\u0430 \"x\"","language_code":"ru"},"chat":{"id":-1001234567890,"title":"Gro\u00dfe {Runde}","type":"supergroup"},"date":1700000000,"reply_to_message":{"message_id":4,"from":{"id":1},"chat":{"id":2,"type":"private"},"date":1,"text":"inner"},"text":"hello [\"]\\ 👋 мир","entities":[{"offset":0,"length":5,"type":"bold"}]}})",
   1, -1001234567890, -1001234567890, 77},
  {"edited_message",
   R"({"update_id":2,"edited_message":{"message_id":5,"from":{"id":77,"is_bot":false},"chat":{"id":77,"type":"private"},"date":1,"edit_date":2,"text":"b"}})",
   1, 77, 77, 77},
  {"channel_post",
   R"({"update_id":3,"channel_post":{"message_id":9,"sender_chat":{"id":-100,"type":"channel"},"chat":{"id":-1009,"type":"channel"},"date":1,"photo":[{"file_id":"a","width":90,"height":51}]}})",
   1, -1009, -1009, 0},
  {"edited_channel_post",
   R"({"update_id":4,"edited_channel_post":{"message_id":9,"chat":{"id":-1009,"type":"channel"},"date":1,"text":"x"}})",
   1, -1009, -1009, 0},
  {"business_connection",
   R"({"update_id":5,"business_connection":{"id":"abc","user":{"id":42,"is_bot":false},"user_chat_id":42,"date":1,"is_enabled":true}})",
   0, 42, 0, 42},
  {"business_message",
   R"({"update_id":6,"business_message":{"business_connection_id":"abc","message_id":1,"from":{"id":3},"chat":{"id":3,"type":"private"},"date":1,"text":"q"}})",
   1, 3, 3, 3},
  {"edited_business_message",
   R"({"update_id":7,"edited_business_message":{"message_id":1,"from":{"id":3},"chat":{"id":3,"type":"private"},"date":1,"text":"q"}})",
   1, 3, 3, 3},
  {"deleted_business_messages",
   R"({"update_id":8,"deleted_business_messages":{"business_connection_id":"abc","chat":{"id":3,"type":"private"},"message_ids":[1,2]}})",
   1, 3, 3, 0},
  {"message_reaction",
   R"({"update_id":9,"message_reaction":{"chat":{"id":-55,"type":"group"},"message_id":4,"user":{"id":12},"date":1,"old_reaction":[],"new_reaction":[{"type":"emoji","emoji":"👍"}]}})",
   1, -55, -55, 12},
  {"message_reaction_count",
   R"({"update_id":10,"message_reaction_count":{"chat":{"id":-55,"type":"group"},"message_id":4,"date":1,"reactions":[]}})",
   1, -55, -55, 0},
  {"inline_query",
   R"({"update_id":11,"inline_query":{"id":"331","from":{"id":77},"query":"","offset":"","chat_type":"sender"}})",
   0, 77, 0, 77},
  {"chosen_inline_result",
   R"({"update_id":12,"chosen_inline_result":{"result_id":"1","from":{"id":77},"query":"a"}})", 0, 77, 0,
   77},
  {"callback_query",
   R"({"update_id":13,"callback_query":{"id":"99887766554433221","from":{"id":77},"message":{"message_id":2,"from":{"id":1,"is_bot":true},"chat":{"id":-8,"type":"group"},"date":1,"text":"Pick","reply_markup":{"inline_keyboard":[[{"text":"A","callback_data":"a"}]]}},"chat_instance":"-123","data":"a"}})",
   0, 77, -8, 77},
  {"shipping_query",
   R"({"update_id":14,"shipping_query":{"id":"1","from":{"id":78},"invoice_payload":"p","shipping_address":{}}})",
   0, 78, 0, 78},
  {"pre_checkout_query",
   R"({"update_id":15,"pre_checkout_query":{"id":"1","from":{"id":79},"currency":"XTR","total_amount":1,"invoice_payload":"p"}})",
   0, 79, 0, 79},
  {"purchased_paid_media",
   R"({"update_id":16,"purchased_paid_media":{"from":{"id":80},"paid_media_payload":"p"}})", 0, 80, 0, 80},
  {"poll",
   R"({"update_id":17,"poll":{"id":"5345435345435","question":"?","options":[{"text":"a","voter_count":1}],"total_voter_count":1,"is_closed":false,"is_anonymous":true,"type":"regular","allows_multiple_answers":false}})",
   0, 5345435345435, 0, 0},
  {"poll_answer",
   R"({"update_id":18,"poll_answer":{"poll_id":"5345435345435","user":{"id":81},"option_ids":[0]}})", 0,
   5345435345435, 0, 81},
  {"my_chat_member",
   R"({"update_id":19,"my_chat_member":{"chat":{"id":82,"type":"private"},"from":{"id":82},"date":1,"old_chat_member":{"user":{"id":1},"status":"member"},"new_chat_member":{"user":{"id":1},"status":"kicked","until_date":0}}})",
   1, 82, 82, 82},
  {"chat_member",
   R"({"update_id":20,"chat_member":{"chat":{"id":-83,"type":"group"},"from":{"id":84},"date":1,"old_chat_member":{"user":{"id":85},"status":"left"},"new_chat_member":{"user":{"id":85},"status":"member"}}})",
   0, 85, -83, 84},
  {"chat_join_request",
   R"({"update_id":21,"chat_join_request":{"chat":{"id":-86,"type":"channel"},"from":{"id":87},"user_chat_id":87,"date":1}})",
   0, 87, -86, 87},
  {"chat_boost",
   R"({"update_id":22,"chat_boost":{"chat":{"id":-88,"type":"channel"},"boost":{"boost_id":"b","source":{"source":"premium","user":{"id":9}}}}})",
   1, -88, -88, 0},
  {"removed_chat_boost",
   R"({"update_id":23,"removed_chat_boost":{"chat":{"id":-88,"type":"channel"},"boost_id":"b","remove_date":1,"source":{}}})",
   1, -88, -88, 0},
};

update_facts read(std::string_view json) {
  update_facts none;
  none.id = -1;
  return read_update(json).value_or(none);
}

} // namespace

SCENARIO("an update of each kind tells its id, kind, order and people") {
  for (auto& x : samples) {
    auto facts = read(x.json);
    auto index = find_update_kind(x.kind);
    CHECK_EQ(facts.id, &x - samples + 1);
    CHECK_EQ(facts.kind, index);
    CHECK_EQ(facts.kind_name, x.kind);
    CHECK_EQ(facts.queue_kind, x.by_chat == 1 ? 0 : index + 1);
    CHECK_EQ(facts.queue_id, x.key);
    CHECK_EQ(facts.chat, x.chat);
    CHECK_EQ(facts.sender, x.sender);
    CHECK_EQ(facts.lifetime.count(), update_kinds()[index].lifetime.count());
    CHECK_EQ(facts.urgent, update_kinds()[index].urgent());
  }
}

SCENARIO("an update of a kind that is not known is ordered by its chat or its user") {
  auto chat = read(R"({"update_id":7,"novelty":{"x":1,"chat":{"id":-4},"from":{"id":9}}})");
  CHECK_EQ(chat.kind, unknown_update_kind);
  CHECK_EQ(chat.kind_name, "novelty"sv);
  CHECK_EQ(chat.queue_kind, 0);
  CHECK_EQ(chat.queue_id, -4);
  CHECK_EQ(chat.lifetime.count(), 86'400);
  auto user = read(R"({"update_id":7,"flag":true,"novelty":{"user":{"id":9}}})");
  CHECK_EQ(user.kind_name, "novelty"sv);
  CHECK_EQ(user.queue_kind, unknown_update_kind);
  CHECK_EQ(user.queue_id, 9);
  auto bare = read(R"({"update_id":7})");
  CHECK_EQ(bare.id, 7);
  CHECK_EQ(bare.queue_kind, unknown_update_kind);
  auto both = read(R"({"novelty":{"chat":{"id":3}},"message":{"chat":{"id":4}},"update_id":8})");
  CHECK_EQ(both.kind_name, "message"sv);
  CHECK_EQ(both.queue_id, 4);
  CHECK_EQ(both.id, 8);
}

SCENARIO("what is no update is refused") {
  for (auto text : {
         "", "null", "[]", "{}", "{\"update_id\":1", "{\"update_id\":\"1\"}", "{\"update_id\":-1}",
         "{\"update_id\":1.5}", "{\"update_id\":99999999999999999999}", "{\"update_id\":1}x",
         "{\"update_id\":1,}", "{\"update_id\":01}", "{\"update_id\":1,\"a\":tru}",
         "{\"update_id\":1,\"a\":\"\\x\"}", "{\"update_id\":1,\"a\":\"\n\"}", "{update_id:1}",
         "{\"update_id\":1,\"a\":\"\\u12g4\"}", "{\"update_id\":1,\"a\":1.}", "{\"update_id\":1,\"a\":-}",
         "{\"update_id\":1,\"a\":\"\xC0\x80\"}", "{\"update_id\":1,\"a\":\"\xED\xA0\x80\"}",
         "{\"update_id\":1,\"a\":\"\xF4\x90\x80\x80\"}", "{\"update_id\":1,\"a\":\"\xE2\x82\"}",
         "{\"message\":{\"chat\":{\"id\":1}}}", "{\"update_id\":1 \"a\":2}", "{\"update_id\":}",
       })
    if (read_update(text))
      CAF_ERROR(text);
  auto deep = "{\"update_id\":1,\"a\":" + std::string(1'000'000, '[');
  CHECK(!read_update(deep));
  auto allowed = "{\"update_id\":1,\"a\":" + std::string(99, '[') + std::string(99, ']') + "}";
  CHECK(read_update(allowed));
  CHECK(!read_update("{\"update_id\":1,\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"));
}

SCENARIO("mutated updates are read exactly when a full parser takes them") {
  std::mt19937 random{20'240'117};
  auto pick = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  constexpr std::string_view spice = "{}[]\",:\\0123456789eE.+-tfnu \n\x80\xC3\xE2\xF0\x01";
  boost::json::parse_options options;
  options.max_depth = 100;
  int taken = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text{samples[pick(std::size(samples))].json};
    for (auto changes = 1 + pick(3); changes > 0 && !text.empty(); --changes) {
      auto at = pick(text.size());
      switch (pick(4)) {
      case 0: text[at] = spice[pick(spice.size())]; break;
      case 1: text.insert(at, 1, spice[pick(spice.size())]); break;
      case 2: text.erase(at, 1 + pick(3)); break;
      default: text.resize(at + pick(text.size() - at + 1)); break;
      }
    }
    boost::system::error_code ec;
    auto document = boost::json::parse(text, ec, {}, options);
    auto facts = read_update(text);
    auto* object = ec ? nullptr : document.if_object();
    auto* id = object != nullptr ? object->if_contains("update_id") : nullptr;
    if (facts) {
      ++taken;
      if (ec || object == nullptr)
        CAF_ERROR("taken, but no JSON object: " << text);
      auto* value = facts->kind_name.empty() ? nullptr : object->if_contains(facts->kind_name);
      if (!facts->kind_name.empty() && facts->kind_name.find('\\') == std::string_view::npos
          && (value == nullptr || !value->is_object()))
        CAF_ERROR("its kind is no object of it: " << text);
    } else if (id != nullptr && id->is_int64() && id->get_int64() >= 0
               && text.find("update_id") == text.rfind("update_id")) {
      CAF_ERROR("refused, but sane: " << text);
    }
  }
  CAF_CHECK_GREATER(taken, 1000);
}

SCENARIO("a start command gives its code") {
  auto code = [](std::string_view text) {
    auto json = R"({"update_id":1,"message":{"chat":{"id":1},"text":")" + std::string{text} + "\"}}";
    return start_code(read(json)).value_or("-");
  };
  CHECK_EQ(code("/start AB12-cd_9"), "AB12-cd_9");
  CHECK_EQ(code("\\/start ABC"), "ABC");
  CHECK_EQ(code("/start@some_bot  ABC "), "ABC");
  for (auto no : {"/start", "/start ", "/startABC", "/start@some_bot", "/starting ABC", "start ABC",
                  " /start ABC", "/start A B", "/start A\\nB", "/start caf\xC3\xA9", ""})
    CHECK_EQ(code(no), "-");
  CHECK_EQ(code("/start " + std::string(65, 'a')), "-");
}

SCENARIO("the updates of a getUpdates answer come as they were written") {
  auto found = split_updates("{\"ok\":true,\"result\":[{\"update_id\":1,\n\"message\":{\"a\":[1,2]}},\n"
                             "{\"update_id\":2 }]}");
  CHECK(found.has_value());
  CHECK_EQ(found.value_or(std::vector<std::string_view>{}).size(), 2u);
  CHECK_EQ((*found)[0], "{\"update_id\":1,\n\"message\":{\"a\":[1,2]}}"sv);
  CHECK_EQ((*found)[1], "{\"update_id\":2 }"sv);
  CHECK_EQ(split_updates(R"({"ok":true,"result":[]})").value_or(std::vector{"x"sv}).size(), 0u);
  for (auto no : {R"({"ok":false,"result":[]})", R"({"ok":true})", R"({"result":[]})", "[]", "",
                  R"({"ok":true,"result":[,]})", R"({"ok":true,"result":["a]})",
                  R"({"ok":true,"result":[{]})", R"({"ok":true,"result":{}})"})
    CHECK(!split_updates(no));
}

SCENARIO("a broken update does not hide the others of its answer") {
  std::string deep(500, '[');
  deep += std::string(500, ']');
  auto answer = "{\"ok\":true,\"result\":[{\"update_id\":1,\"a\":\"\xC3\x28 \\\" ] }\"}, 7 ,\"x\\\\\","
                + deep + ",{\"update_id\":2}]}";
  auto found = split_updates(answer).value_or(std::vector<std::string_view>{});
  REQUIRE_EQ(found.size(), 5u);
  CHECK_EQ(found[0], "{\"update_id\":1,\"a\":\"\xC3\x28 \\\" ] }\"}"sv);
  CHECK_EQ(found[1], "7 "sv);
  CHECK_EQ(found[2], "\"x\\\\\""sv);
  CHECK_EQ(found[3], deep);
  CHECK_EQ(found[4], "{\"update_id\":2}"sv);
}

SCENARIO("content hashes are what they were in every version") {
  CHECK_EQ(content_hash(""), 0xec66316ecad5f642u);
  CHECK_EQ(content_hash("{\"update_id\":1}"), 0x28506284da2ee15bu);
  CAF_CHECK_NOT_EQUAL(content_hash("a"), content_hash(std::string_view{"a\0", 2}));
  CAF_CHECK_NOT_EQUAL(content_hash("12345678"), content_hash("12345679"));
  CHECK_EQ(content_hash(samples[0].json), content_hash(std::string{samples[0].json}));
}

} // namespace troupe::update_suite
