#define CAF_SUITE api.property
#include "tests/api/managed.hpp"

#include "runtime/api/router.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <random>

namespace troupe::property_suite {

using namespace std::literals;
using fakes::told;

namespace {

namespace json = boost::json;

/// Documents that nobody foresaw: of any shape, with names that routes know, values of any type,
/// now and then damaged.
class documents {
public:
  explicit documents(std::uint32_t seed) : random_(seed) {}

  std::string next(std::span<const api::field> fields) {
    auto text = json::serialize(one_in(10) ? value(0) : json::value(object(fields)));
    if (one_in(6))
      damage(text);
    return text;
  }

  std::string query(std::span<const api::field> fields) {
    std::string text;
    for (auto& f : fields)
      if (one_in(3))
        text += (text.empty() ? "" : "&") + std::string{f.name} + '=' + word();
    if (one_in(8))
      damage(text);
    return text;
  }

  std::string path(std::string_view pattern) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '{') {
        text += pattern[i];
        continue;
      }
      i = pattern.find('}', i);
      text += one_in(2) ? "7" : std::array{"1", "2", "99", "0", "-1", "x", "9223372036854775807",
                                           "' OR 1=1", "%00", "7'"}[random_() % 10];
    }
    return text;
  }

private:
  bool one_in(unsigned n) { return random_() % n == 0; }

  std::string word() {
    static const std::array words{
      ""s, "7"s, "-1"s, "admin"s, "active"s, "'; DROP TABLE bots; --"s, "\" OR \"\"=\""s,
      "\xc3\xa4\xf0\x9f\x98\x80"s, "../../etc/passwd"s, "/tmp/x"s, "%s%n"s, "${jndi:ldap://x}"s,
      "18446744073709551616"s, "c1"s, "null"s, std::string(300, 'x'), "123456:" + std::string(35, 'a'),
      "7:" + std::string(35, 'b'), "\x01\x02"s, "\0x"s};
    return words[random_() % words.size()];
  }

  json::value value(int depth) {
    switch (random_() % (depth > 4 ? 7 : 9)) {
    case 0:
      return nullptr;
    case 1:
      return random_() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random_()) - 1000;
    case 3:
      return std::array<std::int64_t, 4>{0, 1, INT64_MIN, INT64_MAX}[random_() % 4];
    case 4:
      return static_cast<double>(random_()) / 7;
    case 5:
      return UINT64_MAX;
    case 6:
      return json::value(word());
    case 7: {
      json::array all;
      for (auto n = random_() % 4; n > 0; --n)
        all.push_back(value(depth + 1));
      return all;
    }
    default: {
      json::object all;
      for (auto n = random_() % 4; n > 0; --n)
        all[word()] = value(depth + 1);
      return all;
    }
    }
  }

  /// Mostly what the route knows, mostly of the right type.
  json::value fitting(const api::field& f) {
    if (one_in(4))
      return value(0);
    switch (f.type) {
    case api::shape::text:
      return f.words.empty() ? json::value(word()) : json::value(f.words[random_() % f.words.size()]);
    case api::shape::integer:
      return std::array{f.least, f.most, f.most / 2, f.least - 1}[random_() % 4];
    case api::shape::boolean:
      return random_() % 2 == 0;
    case api::shape::ids:
      return json::array{1, 7, static_cast<std::int64_t>(random_() + 1)};
    case api::shape::texts:
      return json::array{"getMe", json::value(word())};
    case api::shape::object:
      return object(f.inside);
    case api::shape::any:
      return json::object{{"x", value(1)}};
    }
    return nullptr;
  }

  json::object object(std::span<const api::field> fields) {
    json::object all;
    for (auto& f : fields)
      if (f.required ? !one_in(8) : one_in(2))
        all[f.name] = fitting(f);
    if (one_in(10))
      all[word()] = value(0);
    return all;
  }

  void damage(std::string& text) {
    for (auto n = 1 + random_() % 3; n > 0 && !text.empty(); --n)
      text[random_() % text.size()] = static_cast<char>(random_());
    if (one_in(3))
      text.resize(random_() % (text.size() + 1));
  }

  std::mt19937 random_;
};

struct fixture : fakes::managed_node {};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("whatever is posted to whichever route, it is never a 500 and never leaks") {
  documents made{20260131};
  std::map<int, int> seen;
  const std::string* keys[] = {&boss, &admin, &developer, &viewer, &stranger};
  std::size_t turn = 0;
  for (int round = 0; round < 40; ++round)
    for (auto& one : api::routes()) {
      if (kept->bots.count(7) == 0)
        kept->add_bot(7, 1);
      kept->tenants.try_emplace(2, tenant_row{.id = 2, .name = "other"});
      for (auto& [id, tenant] : kept->tenants)
        tenant.suspended = false;
      for (auto& [text, key] : kept->keys)
        key.revoked = 0;
      auto target = made.path(one.path);
      auto query = made.query(one.query);
      if (!query.empty())
        target += '?' + query;
      auto body = one.takes == api::body_use::none ? ""s : made.next(one.body);
      auto answer = send(one.method, target, body, *keys[turn++ % 5]);
      ++seen[answer.status];
      CHECK(answer.status < 500);
      if (answer.status >= 400) {
        CHECK_EQ(answer.content_type, "application/problem+json");
        auto told = fakes::json_of(answer);
        CHECK_EQ(told.at("request_id").as_string(), "req-1");
        CHECK(!told.at("advice").as_string().empty());
        CHECK(answer.body.find(std::string(35, 'a')) == std::string::npos);
      }
    }
  // The documents reach the routes: neither all refused nor all taken.
  CHECK(seen[200] > 50);
  CHECK(seen[201] > 10);
  CHECK(seen[400] > 100);
  CHECK(seen[404] > 50);
}

END_FIXTURE_SCOPE()

} // namespace troupe::property_suite
