#define CAF_SUITE api.ctl_managed
#include "runtime/api/ctl_line.hpp"
#include "runtime/system/data_lock.hpp"
#include "tests/api/ctl_managed.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::ctl_managed_suite {

using namespace std::literals;
namespace fs = std::filesystem;

using fakes::token;
using fixture = fakes::managed_ctl;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a bot's life from the command line") {
  CHECK_EQ(run({"bot", "add", "--token-file=-", "--name=Mine", "--rps=5"}, token + "\r\n"), 0);
  CHECK(says("bot 123456 (@bot_123456) is registered and pending.\n"));
  CHECK(says("troupectl bot verify 123456\n"));
  CHECK_EQ(kept->bots[123456].rps, 5u);
  CHECK_EQ(run({"bot", "add", token}), 1);
  CHECK(complains("This exists already."));
  CHECK_EQ(run({"bot", "verify", "123456"}), 0);
  CHECK(says("/start ABCDEFGH12"));
  CHECK_EQ(run({"bot", "verify", "123456", "--status"}), 0);
  CHECK(says("waiting"));
  CHECK_EQ(run({"bot", "activate", "123456"}), 1);
  CHECK(complains("The bot's owner is not proven yet."));
  CHECK_EQ(run({"bot", "activate", "123456", "--trusted"}), 0);
  CHECK(says("bot 123456 is active.\n"));
  CHECK_EQ(run({"bot", "suspend", "123456", "--reason=holidays"}), 0);
  CHECK_EQ(kept->bots[123456].reason, "holidays");
  CHECK_EQ(run({"bot", "resume", "123456"}), 0);
  CHECK_EQ(run({"bot", "restart", "123456"}), 0);
  CHECK_EQ(run({"bot", "rotate", "123456", "--token-file=" + file("token", token + "\n")}), 0);
  CHECK_EQ(run({"bot", "list"}), 0);
  CHECK(says("id  username    name  tenant  phase   health   verified  created\n"));
  CHECK(says("123456  bot_123456  Mine       1  active  healthy  false"));
  CHECK_EQ(run({"bot", "show", "123456"}), 0);
  CHECK(says("limits.rps         5\n"));
  CHECK(says("phase              active\n"));
  CHECK_EQ(run({"bot", "call", "123456", "sendMessage", "chat_id=5", "text=hello", "x=true"}), 0);
  CHECK(says(R"({"ok":true,"result":1})"));
  CHECK_EQ(kept->calls.back().body, R"({"chat_id":5,"text":"hello","x":true})");
  CHECK_EQ(run({"bot", "call", "123456", "getMe", "{\"a\":[1]}", "--idempotency-key=k"}), 0);
  CHECK_EQ(kept->calls.back().body, R"({"a":[1]})");
  CHECK_EQ(kept->requests.count("k"), 1u);
  CHECK_EQ(run({"bot", "health", "123456"}), 0);
  CHECK_EQ(run({"bot", "analytics", "123456", "--days=3"}), 0);
  CHECK(says("requests 0, failed 0, updates 0, in 3 days"));
  CHECK_EQ(run({"bot", "remove", "123456"}), 0);
  CHECK_EQ(run({"bot", "show", "123456"}), 1);
  CHECK(complains("There is no such bot. Check the id; GET /v1/bots lists your bots."));
}

SCENARIO("lists are read page by page") {
  for (bot_id id = 1; id <= 2500; ++id)
    kept->add_bot(id, 1, id % 2 == 0 ? bot_phase::suspended : bot_phase::active);
  CHECK_EQ(run({"bot", "list", "--json"}), 0);
  CHECK_EQ(boost::json::parse(out).as_object().at("bots").as_array().size(), 2500u);
  CHECK_EQ(run({"bot", "list", "--json", "--status=active"}), 0);
  CHECK_EQ(boost::json::parse(out).as_object().at("bots").as_array().size(), 1250u);
  CHECK_EQ(run({"bot", "list", "--json", "--limit=1001"}), 0);
  CHECK_EQ(boost::json::parse(out).as_object().at("bots").as_array().size(), 1001u);
}

SCENARIO("a list that meets the quota goes on when the node says") {
  auto limited = managed_ports();
  limited.limits.requests_per_minute = 2;
  auto asked = std::make_shared<std::atomic<int>>(0);
  // The third request comes a second before its time; by the clock of the next it is due.
  // Each asks the clock twice: for wrong keys and for its own quota.
  limited.now = [this, asked] { return now + (++*asked > 6 ? 60s : *asked > 4 ? 59s : 0s); };
  listener.stop();
  net::http_server other{config(), api::make_handler(limited)};
  other.start();
  variables["TROUPE_URL"] = "http://127.0.0.1:" + std::to_string(other.port());
  for (bot_id id = 1; id <= 2500; ++id)
    kept->add_bot(id, 1);
  CHECK_EQ(run({"bot", "list", "--json"}), 0);
  CHECK_EQ(boost::json::parse(out).as_object().at("bots").as_array().size(), 2500u);
  CHECK_EQ(err, "troupectl: the node asks to wait 1 s\n");
}

SCENARIO("tenants, keys and the trail from the command line") {
  CHECK_EQ(run({"tenant", "create", "acme", "--max-bots=3"}), 0);
  CHECK(says("tenant 3 is made."));
  CHECK_EQ(run({"tenant", "list"}), 0);
  CHECK(says(" 3  acme     active             3"));
  CHECK_EQ(run({"key", "create", "--tenant=3", "--role=admin", "--name=ci"}), 0);
  auto key = out.substr(0, out.find('\n'));
  CHECK_EQ(key.size(), 55u);
  CHECK(complains("not shown again"));
  variables["TROUPE_KEY"] = key;
  CHECK_EQ(run({"bot", "list"}), 0);
  CHECK_EQ(run({"tenant", "list"}), 1);
  CHECK(complains("The API key's role does not allow this."));
  CHECK_EQ(run({"tenant", "credentials", "3"}), 0);
  CHECK(says(key.substr(0, 14)));
  CHECK(!says(key));
  variables["TROUPE_KEY"] = boss;
  auto id = std::to_string(kept->keys[key].id);
  CHECK_EQ(run({"key", "revoke", id, "--tenant=3"}), 0);
  CHECK_EQ(run({"key", "revoke", id, "--tenant=3"}), 1);
  CHECK_EQ(run({"key", "list", "--json"}), 0);
  CHECK_EQ(run({"audit", "--action=key.revoke"}), 0);
  CHECK(says("key.revoke  key:" + id + "  ok"));
}

SCENARIO("users, virtual tokens and a tenant's end from the command line") {
  CHECK_EQ(run({"tenant", "create", "acme"}), 0);
  CHECK_EQ(run({"tenant", "change", "3", "--name=Acme", "--max-bots=7", "--rps=9", "--state=suspended"}), 0);
  CHECK(says("Acme") && says("suspended") && says("max_bots"));
  CHECK_EQ(run({"tenant", "change", "3", "--state=gone"}), 1);
  CHECK_EQ(run({"tenant", "change", "3"}), 1);
  CHECK(complains("names nothing to change"));
  CHECK_EQ(run({"tenant", "change", "3", "--state=active"}), 0);
  CHECK_EQ(run({"user", "add", "3", "Bob", "--role=viewer"}), 0);
  auto user = out.substr(5, out.find(' ', 5) - 5);
  CHECK(says("--tenant=3 --user=" + user));
  CHECK_EQ(run({"user", "list", "3"}), 0);
  CHECK(says("Bob") && says("viewer"));
  CHECK_EQ(run({"user", "remove", "3", user}), 0);
  CHECK_EQ(run({"user", "remove", "3", user}), 1);
  CHECK_EQ(run({"user", "add", "3"}), 2);
  kept->add_bot(7, 3);
  CHECK_EQ(run({"token", "create", "7", "getMe", "sendMessage", "--name=ci", "--expires-in=3600"}), 0);
  CHECK_EQ(out, "7:" + std::string(35, 'v') + "\n"); // Alone, to be taken from there.
  CHECK(complains("not shown again"));
  CHECK_EQ(run({"token", "create", "7", "get me"}), 1);
  CHECK_EQ(run({"token", "list", "7"}), 0);
  CHECK(says("ci  ") && says("getme sendmessage"));
  CHECK(!says("vvvv"));
  CHECK_EQ(run({"token", "list", "7", "--json"}), 0);
  auto listed = boost::json::parse(out);
  auto& token = listed.at("tokens").as_array().at(0);
  CHECK_EQ(token.at("methods").as_array().size(), 2u);
  auto number = std::to_string(token.at("id").as_int64());
  CHECK_EQ(run({"token", "revoke", "7", number}), 0);
  CHECK_EQ(run({"token", "revoke", "7", number}), 1);
  CHECK_EQ(run({"token", "revoke", "7"}), 2);
  CHECK_EQ(run({"bot", "signing-key", "7"}), 0);
  CHECK(says("key of 7"));
  kept->bots.clear();
  CHECK_EQ(run({"tenant", "remove", "3"}), 0);
  CHECK_EQ(run({"tenant", "remove", "3"}), 1);
  CHECK_EQ(run({"restart", "troupe.services"}), 0);
  CHECK(says("troupe.services ends;"));
  CHECK_EQ(run({"restart", "troupe.nobody", "--kill"}), 1);
  CHECK_EQ(run({"whoami"}), 0);
  CHECK(says("operator"));
  CHECK_EQ(run({"store"}), 0);
  CHECK(says("sqlite:troupe.db"));
}

SCENARIO("the key comes from a file, the environment, or the data directory of this machine's node") {
  variables.erase("TROUPE_KEY");
  CHECK_EQ(run({"bot", "list"}), 1);
  CHECK(complains("This needs an API key."));
  CHECK_EQ(run({"bot", "list", "--key-file=" + file("key", viewer + "\n")}), 0);
  file("operator.key", boss + "\n");
  CHECK_EQ(run({"tenant", "list", "--data-dir=" + dir.string()}), 0);
  CHECK_EQ(run({"tenant", "list", "--data-dir=/does/not/exist"}), 1);
  CHECK(complains("cannot read a key from"));
  CHECK(api::is_loopback("http://127.0.0.1:1"));
  CHECK(api::is_loopback("http://[::1]:1"));
  CHECK(api::is_loopback("http://localhost"));
  CHECK(!api::is_loopback("http://192.0.2.1:1"));
  CHECK(!api::is_loopback("http://localhost.example.org"));
}

SCENARIO("a node with a certificate is asked over TLS, and only if the certificate is trusted") {
  net::test::throwaway_ca authority;
  auto server = authority.issue("IP:127.0.0.1");
  auto secure = config();
  secure.tls_cert = file("cert.pem", server.certificate);
  secure.tls_key = file("key.pem", server.key);
  net::http_server other{secure, api::make_handler(managed_ports())};
  other.start();
  auto port = std::to_string(other.port());
  variables["TROUPE_URL"] = "https://127.0.0.1:" + port;
  CHECK_EQ(run({"bot", "list", "--ca-file=" + authority.path()}), 0);
  CHECK_EQ(run({"bot", "list"}), 1);
  CHECK(complains("TLS: "));
  CHECK(complains("see --ca-file"));
  // A certificate of another name.
  CHECK_EQ(run({"bot", "list", "--url=https://localhost:" + port, "--ca-file=" + authority.path()}), 1);
  CHECK_EQ(run({"bot", "list", "--ca-file=/does/not/exist"}), 1);
  CHECK_EQ(run({"bot", "list", "--url=http://127.0.0.1:" + port}), 1);
}

SCENARIO("wrong words are exit status 2, and no token in them is repeated") {
  for (auto& args : std::vector<std::vector<std::string>>{{"bot"},
                                                          {"bot", "fly"},
                                                          {"bot", "show"},
                                                          {"bot", "show", "x"},
                                                          {"bot", "show", "1", "2"},
                                                          {"bot", "show", token},
                                                          {"bot", "list", "--reason=x"},
                                                          {"bot", "list", "--limit"},
                                                          {"bot", "activate", "1", "--trusted=yes"},
                                                          {"bot", "call", "1"},
                                                          {"bot", "call", "1", "getMe", "x"},
                                                          {"bot", "call", "1", "getMe", "{", "a=1"},
                                                          {"bot", "analytics", "1", "--days=x"},
                                                          {"bot", "add"},
                                                          {"key", "revoke"},
                                                          {"restore", "x"}}) {
    CHECK_EQ(run(args), 2);
    CHECK(!complains("aaaa"));
  }
  CHECK_EQ(run({"bot"}), 2);
  CHECK(complains("bot needs one of: add, list, show"));
}

SCENARIO("a store is copied by the node and put back while the node is stopped") {
  CHECK_EQ(run({"backup", "copy.db"}), 0);
  CHECK(says("(4096 bytes, 1.0 s)"));
  CHECK(says((fs::current_path() / "copy.db").string()));
  auto copy = file("copy", "SQLite format 3\0and more"sv);
  auto data = "--data-dir=" + (dir / "data").string();
  CHECK_EQ(run({"restore", copy, data}), 0);
  CHECK_EQ(text_of(dir / "data" / "troupe.db"), "SQLite format 3\0and more"sv);
  auto other = file("other", "SQLite format 3\0second"sv);
  file("data/troupe.db-wal", "x");
  {
    system::data_lock running{dir / "data"};
    CHECK_EQ(run({"restore", other, data, "--force"}), 1);
    CHECK(complains("is in use by another node"));
  }
  CHECK_EQ(text_of(dir / "data" / "troupe.db"), "SQLite format 3\0and more"sv);
  CHECK_EQ(run({"restore", other, data}), 0); // Of one that was killed, too: its log is kept.
  CHECK(!fs::exists(dir / "data" / "troupe.db-wal"));
  CHECK_EQ(text_of(dir / "data" / "troupe.db.before-restore-wal"), "x");
  CHECK_EQ(text_of(dir / "data" / "troupe.db"), "SQLite format 3\0second"sv);
  CHECK_EQ(text_of(dir / "data" / "troupe.db.before-restore"), "SQLite format 3\0and more"sv);
  CHECK_EQ(run({"restore", copy, "--database=" + (dir / "own.db").string()}), 0);
  CHECK_EQ(text_of(dir / "own.db"), "SQLite format 3\0and more"sv);
  file("own.db-wal", "x");
  CHECK_EQ(run({"restore", other, "--database=" + (dir / "own.db").string()}), 1);
  CHECK(complains("a node seems to use"));
  auto note = text_of(dir / "data" / "troupe.db.restored-by");
  CHECK(note.find(other) != std::string::npos);
  CHECK_EQ(run({"restore", file("text", "no database"), data}), 1);
  CHECK(complains("is no copy of a store"));
}

SCENARIO("the shell completes every command and option") {
  CHECK_EQ(run({"completion", "bash"}), 0);
  for (auto& one : api::commands())
    CHECK(says("'" + std::string{one.words} + "') words='"));
  auto script = file("completion", out);
  auto asks = [&](const std::string& words, int place) {
    auto command = "bash -c 'source " + script + "; COMP_WORDS=(troupectl " + words
                   + "); COMP_CWORD=" + std::to_string(place)
                   + "; compopt() { :; }; _troupectl; echo \"${COMPREPLY[*]}\"' > " + script + ".out";
    CHECK_EQ(std::system(command.c_str()), 0);
    return text_of(script + ".out");
  };
  CHECK_EQ(asks("he", 1), "health\n");
  CHECK_EQ(asks("bot re", 2), "resume restart remove\n");
  CHECK_EQ(asks("bot suspend 7 --re", 4), "--reason=\n");
  CHECK_EQ(run({"--help"}), 0);
  for (auto& one : api::commands())
    CHECK(says("  " + std::string{one.words}));
}

END_FIXTURE_SCOPE()

} // namespace troupe::ctl_managed_suite
