#define CAF_SUITE token
#include "runtime/telegram/token.hpp"

#include "runtime/telegram/token_format.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <sstream>

namespace troupe::token_suite {

using namespace troupe::telegram;

namespace {

const std::string secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";
const std::string text = "123456:" + secret;

} // namespace

SCENARIO("a token is parsed by its form alone") {
  auto token = bot_token::parse(text);
  if (CHECK(token.has_value())) {
    CHECK_EQ(token->id(), 123456);
    CHECK_EQ(token->reveal(), text);
  }
  CHECK(!bot_token::parse(""));
  CHECK(!bot_token::parse("123456"));
  CHECK(!bot_token::parse(":" + secret));
  CHECK(!bot_token::parse("-5:" + secret));
  CHECK(!bot_token::parse("0:" + secret));
  CHECK(!bot_token::parse("12x:" + secret));
  CHECK(!bot_token::parse("123456:" + secret.substr(1)));
  CHECK(!bot_token::parse("123456:" + secret + "x"));
  CHECK(!bot_token::parse("123456:" + secret.substr(1) + " "));
  CHECK(!bot_token::parse("123456:" + secret.substr(1) + "/"));
  CHECK(!bot_token::parse("99999999999999999999:" + secret));
}

SCENARIO("a token never prints its secret") {
  auto token = bot_token::parse(text).value();
  std::ostringstream out;
  out << token;
  CHECK_EQ(out.str(), "123456:***");
  CHECK_EQ(to_string(token), "123456:***");
  CHECK_EQ(fmt::format("{}", token), "123456:***");
  auto inspected = caf::deep_to_string(token);
  CHECK_NE(inspected.find("123456:***"), std::string::npos);
  CHECK_EQ(inspected.find(secret), std::string::npos);
}

SCENARIO("a token survives serialization") {
  auto token = bot_token::parse(text).value();
  caf::byte_buffer buffer;
  caf::binary_serializer sink{nullptr, buffer};
  CHECK(sink.apply(token));
  caf::binary_deserializer source{nullptr, buffer};
  bot_token copy;
  CHECK(source.apply(copy));
  CHECK(copy == token);
}

} // namespace troupe::token_suite
