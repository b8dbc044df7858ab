#pragma once
#include "runtime/store/analytics.hpp"
#include "runtime/store/audit.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/health.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/secrets.hpp"
#include "runtime/store/shard_holds.hpp"
#include "runtime/store/shard_pasts.hpp"
#include "runtime/store/tenants.hpp"
#include "runtime/store/tokens.hpp"
#include "runtime/store/updates.hpp"

#include <caf/test/unit_test.hpp>

/// What each published schema version stored, in that version's own words, and what today's
/// functions must find of it.
namespace troupe::store {

/// SHA-256 of every published step. A new version adds a line; none ever changes.
inline constexpr std::array published{
  "EWlO9ihyRtudCIzxPBG2GnDvs1CUDPSD5zKl-OmXfpg", "E7UvvkESnyniDjPwLelnBP2zTzueVbxS5ZadEa0SsSk",
  "zxdPacpgcidKVLvY0FwLEcLXNU-ECXrpUy7bM4zkUfg", "5rHgsXCY5b-rMKk6j7EbF17K8QOzEzGqzj3jM30XHZM",
  "sMTIbXF3xKXXGzZRHR0LjL2JL_aGBdt1oYlz0sTiU7E", "rgxslPa09_Y6ITepLGwm2UgLF8wCfrqpYIkOfNooll4",
  "FE8t0GoQ1SZ0HR61t-V3GGiTIK0fGLiqSRKq8SiSeBM", "nGUrk0mYYFrAnxM_u03ZU53-HjxgDJAfJIOeCy0b65g",
  "YOmrMJznMb5h_3UewW1CAVTZp5w5tuegc7fcY3Hdtjg", "RFxA4hbsLAOEGv7K75cKT_wO_Pwsgg3IQTpj_MC7r6U",
};

/// What `version` added, into a store of version `of`.
inline void fill(unit& u, int version, int of) {
  if (version == 1) {
    for (
      auto* sql : {
        "INSERT INTO secrets VALUES ('lookup-key', 'k1', 'box')",
        "INSERT INTO tenants (name, state, max_bots, rps, created) "
        "VALUES ('acme', 'active', 10, 5, 1700000000000)",
        "INSERT INTO users (tenant, name, role, created) VALUES (2, 'ada', 'admin', 1700000000001)",
        "INSERT INTO api_keys (tenant, user_id, role, name, prefix, hash, created) "
        "VALUES (2, 1, 'admin', 'laptop', 'trp_t_AAAAAAAA', 'h1', 1700000000002)",
        "INSERT INTO api_keys (role, name, prefix, hash, created, revoked) "
        "VALUES ('operator', 'first', 'trp_o_BBBBBBBB', 'h2', 1700000000003, 1700000000004)",
        "INSERT INTO bots VALUES (4242, 2, 'acme_bot', 'Acme', 'k1', 'box', 'h3', 'quarantined', "
        "'crashed', 1700000000005, 1700000000006, 3, 99, 1700000000007, 20, 4, '{\"a\":1}', "
        "1700000000008, 1700000000009, 17)",
        "INSERT INTO verification_codes VALUES (4242, 'h4', 2, 1700000000010, 1700000000011)",
        "INSERT INTO virtual_tokens (tenant, bot, name, hash, methods, created, expires) "
        "VALUES (2, 4242, 'ci', 'h5', ' getme sendmessage ', 1700000000012, 1700000000013)",
      })
      u.define(sql);
  } else if (version == 2) {
    for (auto* sql : {
           "INSERT INTO bot_health VALUES (4242, 'degraded', 9, 3, 2, 1, 1500, 2, 1700000000014, "
           "NULL, "
           "'half-open', 1700000000015, 1700000000016)",
           "INSERT INTO usage_hours VALUES (4242, 472222, 3, 1, 0, 0, 4500, 2, "
           "'{\"m\":{\"getMe\":[3,1,0,0,4500]},\"u\":{\"message\":2},\"c\":[[5,4]]}')",
           "INSERT INTO usage_days VALUES (4242, 19675, 1, 0, 0, 1, 900, 0, "
           "'{\"h\":[0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}')",
         })
      u.define(sql);
  } else if (version == 3) {
    for (
      auto* sql : {
        "INSERT INTO idempotency VALUES (2, 4242, 'LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM', "
        "'body', 'done', 'node-1', 200, 'application/json', 't{}', 1700000000017, 1700000000018)",
        "INSERT INTO audit (at, actor, actor_key, tenant, action, subject, outcome, address, "
        "request, "
        "detail) VALUES (1700000000019, 'ada', 1, 2, 'bot.register', 'bot:4242', 'ok', '::1', "
        "'r1', '{}')",
      })
      u.define(sql);
  } else if (version == 4) {
    for (auto* sql : {
           "INSERT INTO updates VALUES (17, 4242, 901, 'callback_query', 1, 77, 1, 1700000000020, "
           "1700000000021, '{\"update_id\":901}')",
           "INSERT INTO update_marks VALUES (4242, 900, -5, 16), (4242, 901, 6, 17)",
           "INSERT INTO dead_letters VALUES (18, 4242, 899, 'message', 0, -100, 0, 1700000000022, "
           "1700000000023, 3, 'the receiver answered 500', '{\"update_id\":899}')",
           "UPDATE journal_numbers SET next = 1000",
         })
      u.define(sql);
  } else if (version == 5 && of == 5) { // The next one has another form of it.
    u.define("INSERT INTO fresh_marks VALUES (19, 4242, 902, 7), (20, 4242, 900, -5)");
  } else if (version == 6) {
    u.define("INSERT INTO fresh_marks VALUES (22, ';4242 903 -8 21;4243 1 9 22')");
  } else if (version == 7) {
    for (auto* sql : {
           "INSERT INTO bot_shards VALUES (4242, 813)",
           "UPDATE shard_fences SET revision = 55 WHERE shard = 813",
           "INSERT INTO update_box (bot, update_id, hash, kind, own_key, key_id, urgent, received, "
           "expires, body) VALUES (4242, 905, 8, 'message', 0, -100, 0, 1700000000024, "
           "1700000000025, '{\"update_id\":905}')",
         })
      u.define(sql);
  } else if (version == 8) {
    u.define("UPDATE shard_fences SET revision = 57, previous = 56 WHERE shard = 814");
    u.define("INSERT INTO shard_pasts VALUES (814, 56, '60000;4242 -100 1 1500')");
  } else if (version == 9) {
    u.define("UPDATE shard_fences SET revision = 58 WHERE shard = 815");
    u.define("INSERT INTO shard_holds VALUES (815, 4243, -100, 'sendMessage', 9000000000000)");
    u.define("INSERT INTO shard_holds VALUES (815, 4243, 0, '*', 1700000000000)");
  } else if (version == 10) {
    u.define("INSERT INTO verification_tries VALUES (4242, 99, 3)");
  }
}

/// @param of The version that was filled
inline void check(unit& u, int version, int of) {
  auto ms = [](std::int64_t n) {
    return wall_time{std::chrono::milliseconds{1'700'000'000'000 + n}};
  };
  if (version == 1) {
    CAF_CHECK(has_seals(u));
    auto tenant = find_tenant(u, 2).value();
    CAF_CHECK_EQUAL(tenant.name, "acme");
    CAF_CHECK_EQUAL(tenant.max_bots, 10);
    CAF_CHECK_EQUAL(find_user(u, 2, 1).value().name, "ada");
    auto key = find_key(u, "h1").value();
    CAF_CHECK_EQUAL(key.user.value(), 1);
    CAF_CHECK(key.role == role::admin);
    CAF_CHECK(find_key(u, "h2").value().revoked == ms(4));
    auto bot = find_bot(u, 2, 4242).value();
    CAF_CHECK_EQUAL(bot.username, "acme_bot");
    CAF_CHECK(bot.state == (bot_state{bot_phase::quarantined, "crashed", ms(5), ms(6), 3}));
    CAF_CHECK(bot.limits == (bot_limits{20, 4}));
    CAF_CHECK_EQUAL(bot.owner.value(), 99);
    CAF_CHECK_EQUAL(bot.settings, "{\"a\":1}");
    CAF_CHECK_EQUAL(bot.version, 17);
    CAF_CHECK_EQUAL(load_bots(u, 0, 10).at(0).token.hash, "h3");
    CAF_CHECK_EQUAL(find_verification(u, 2, 4242).value().attempts, 2);
    auto token = find_virtual_token(u, "h5").value();
    CAF_CHECK_EQUAL(token.methods, (std::vector<std::string>{"getme", "sendmessage"}));
    CAF_CHECK(token.expires == ms(13));
  } else if (version == 2) {
    auto health = find_health(u, 2, 4242).value();
    CAF_CHECK(health.status == health_status::degraded);
    CAF_CHECK(health.breaker == breaker_state::half_open);
    CAF_CHECK(health.breaker_until == ms(15));
    auto days = usage_by_day(u, 2, 4242, ms(0), 30);
    CAF_CHECK_EQUAL(days.at(0).day, 19675);
    CAF_CHECK_EQUAL(days.at(0).usage.hours[1], 1);
    auto hours = usage_by_hour(u, 2, 4242, 19675);
    CAF_CHECK_EQUAL(hours.at(0).usage.methods.at("getMe").latency_us, 4500);
    CAF_CHECK_EQUAL(hours.at(0).usage.chats.at(0).second, 4);
  } else if (version == 3) {
    auto entry = find_audit(u, {.tenant = 2}).at(0);
    CAF_CHECK_EQUAL(entry.subject, "bot:4242");
    CAF_CHECK(entry.at == ms(19));
    auto kept = begin_request(u, {2, 4242, "key"}, "body", "node-1", ms(0), ms(99));
    CAF_CHECK(kept.what == idempotency_verdict::done);
    CAF_CHECK_EQUAL(kept.answer.body, "{}");
  } else if (version == 4) {
    auto waiting = pending_of(u, 4242);
    CAF_CHECK_EQUAL(waiting.at(0).seq, 17);
    CAF_CHECK_EQUAL(waiting.at(0).received, 1'700'000'000'020);
    auto update = read_updates(u, std::array{std::int64_t{17}}).at(0);
    CAF_CHECK_EQUAL(update.kind, "callback_query");
    CAF_CHECK(update.own_key && update.urgent);
    CAF_CHECK_EQUAL(update.key_id, 77);
    CAF_CHECK_EQUAL(update.expires, 1'700'000'000'021);
    CAF_CHECK_EQUAL(update.body, "{\"update_id\":901}");
    CAF_CHECK_EQUAL(highest_update_id(u, 4242).value(), 901);
    auto letter = list_dead_letters(u, 4242, 0, 10, 1000).rows.at(0);
    CAF_CHECK_EQUAL(letter.id, 18);
    CAF_CHECK_EQUAL(letter.attempts, 3u);
    CAF_CHECK_EQUAL(letter.reason, "the receiver answered 500");
    CAF_CHECK_EQUAL(letter.update.key_id, -100);
    CAF_CHECK_EQUAL(u.value<int>("SELECT next FROM journal_numbers").value(), 1000);
  } else if (version == 5 && of == 5) {
    CAF_CHECK_EQUAL(u.value<std::string>("SELECT marks FROM fresh_marks WHERE seq = 19").value(),
                    ";4242 902 7 19");
    CAF_CHECK_EQUAL(u.value<std::string>("SELECT marks FROM fresh_marks WHERE seq = 20").value(),
                    ";4242 900 -5 20");
  } else if (version == 6) {
    CAF_CHECK_EQUAL(u.value<std::string>("SELECT marks FROM fresh_marks WHERE seq = 22").value(),
                    ";4242 903 -8 21;4243 1 9 22");
  } else if (version == 7) {
    CAF_CHECK_EQUAL(u.value<int>("SELECT revision FROM shard_fences WHERE shard = 813").value(),
                    55);
    CAF_CHECK_EQUAL(u.value<int>("SELECT COUNT(*) FROM shard_fences").value(), 1024);
    CAF_CHECK_EQUAL(u.value<std::string>("SELECT body FROM update_box WHERE bot = 4242").value(),
                    "{\"update_id\":905}");
  } else if (version == 8) {
    auto left = find_pasts(u, std::array{shard_hold{814, 57}}).at(0);
    CAF_CHECK(left.seen == std::chrono::seconds{60});
    CAF_CHECK_EQUAL(left.messages.at(0).chat, -100);
    CAF_CHECK(left.messages.at(0).age == std::chrono::milliseconds{1500});
  } else if (version == 9) {
    auto held = find_holds(u, std::array{shard_hold{815, 58}});
    CAF_CHECK_EQUAL(held.size(), 1u);
    CAF_CHECK_EQUAL(held.at(0).method, "sendMessage");
  } else if (version == 10) {
    CAF_CHECK(verify(u, 4242, "h4", 99, 3, ms(10)) == verdict::too_many_attempts);
  }
  // A bot's shard is known whichever version it is of.
  std::vector<shard_id> its{shard_of(4242)};
  CAF_CHECK_EQUAL(load_bots(u, 0, 10, shard_set{its}).size(), 1u);
}

} // namespace troupe::store
