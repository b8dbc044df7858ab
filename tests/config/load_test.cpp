#define CAF_SUITE config.load
#include "runtime/config/load.hpp"
#include "runtime/config/value.hpp"
#include "tests/config/fixture.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::load_suite {

using namespace std::literals;

namespace {

const auto tail = std::string(35, 'x');

} // namespace

BEGIN_FIXTURE_SCOPE(config_fixture)

SCENARIO("without files and options, the defaults of the design hold") {
  auto all = settings();
  CHECK_EQ(all.session_pool.api_root, "https://api.telegram.org");
  CHECK_EQ(all.session_pool.max_connections, 100u);
  CHECK_EQ(all.session_pool.max_per_host, 30u);
  CHECK_EQ(all.session_pool.dns_ttl, 300s);
  CHECK_EQ(all.session_pool.request_timeout, 60s);
  CHECK_EQ(all.rate_governor.global_rps, 25u);
  CHECK_EQ(all.rate_governor.bot_rps, 30u);
  CHECK_EQ(all.bot.max_concurrent, 10u);
  CHECK_EQ(all.bot.max_queue, 100u);
  CHECK_EQ(all.bot.retries, 3u);
  CHECK_EQ(all.health.failure_threshold, 5u);
  CHECK_EQ(all.health.ewma_alpha, 0.3);
  CHECK_EQ(all.gateway.port, 8081);
  CHECK_EQ(all.gateway.unknown_tokens, "reject");
  CHECK_EQ(all.gateway.max_head, 96u * 1024);
  CHECK_EQ(all.api.port, 8080);
  CHECK_EQ(all.webhook.port, 8443);
  CHECK_EQ(all.delivery.allow_private_addresses, false);
}

SCENARIO("the command line wins over the environment and the environment over files") {
  write("gateway.conf",
        "gateway {\n  port = 9000\n  default-deadline = 5s\n  max-head = \"8KiB\"\n}\n");
  write("store.conf", "store { uri = \"sqlite:file.db\" }\n");
  variables["TROUPE_STORE_URI"] = "postgresql://troupe:pw@db/troupe";
  auto all = settings({"--gateway.port=9001", "--health.ewma-alpha=1",
                       "--gateway.replay-limit=1MiB", "--delivery.allow-private-addresses=true"});
  CHECK_EQ(all.gateway.port, 9001);
  CHECK_EQ(all.gateway.default_deadline, 5s);
  CHECK_EQ(all.gateway.max_head, 8u * 1024);
  CHECK_EQ(all.gateway.replay_limit, 1024u * 1024);
  CHECK_EQ(all.health.ewma_alpha, 1.0);
  CHECK_EQ(all.store.uri, "postgresql://troupe:pw@db/troupe");
  CHECK(all.delivery.allow_private_addresses);
}

SCENARIO(
  "a wrong setting in a file is an error that names file, line, key, value and what is allowed") {
  struct {
    std::string file, text, line, key, value, allowed;
  } cases[] = {
    {"session-pool", "session-pool {\n max-connections = -5\n}", "2",
     "session-pool.max-connections", "-5", "an integer from 1 to 100000 (connections)"},
    {"session-pool", "session-pool {\n max-connections = 0\n}", "2", "session-pool.max-connections",
     "0", "from 1"},
    {"session-pool", "session-pool { max-connections = 100001 }", "1",
     "session-pool.max-connections", "100001", "to 100000"},
    {"session-pool", "session-pool { max-connections = \"many\" }", "1",
     "session-pool.max-connections", "\"many\"", "an integer"},
    {"session-pool", "session-pool { max-connections = 1.5 }", "1", "session-pool.max-connections",
     "1.5", "an integer"},
    {"session-pool", "session-pool { max-connections = [1, 2] }", "1",
     "session-pool.max-connections", "[…]", "an integer"},
    {"session-pool", "session-pool { api-root = \"ftp://x\" }", "1", "session-pool.api-root",
     "\"ftp://x\"", "https://HOST"},
    {"session-pool", "session-pool { api-root = \"http://\" }", "1", "session-pool.api-root",
     "\"http://\"", "https://HOST"},
    {"api", "api { trusted-proxies = \"10.0.0.0/33\" }", "1", "api.trusted-proxies",
     "\"10.0.0.0/33\"", "networks like"},
    {"gateway", "gateway { default-deadline = 5 }", "1", "gateway.default-deadline", "5",
     "a duration with its unit (ns, us, ms, s, min, h) from 10ms to 1h"},
    {"gateway", "gateway { default-deadline = -5s }", "1", "gateway.default-deadline", "-5s",
     "a duration"},
    {"gateway", "gateway { port = 65536 }", "1", "gateway.port", "65536", "from 0 to 65535"},
    {"gateway", "gateway { max-head = \"8KB\" }", "1", "gateway.max-head", "\"8KB\"", "KiB"},
    {"gateway", "gateway { address = \"localhost\" }", "1", "gateway.address", "\"localhost\"",
     "IPv4 or IPv6"},
    {"gateway", "gateway { unknown-tokens = \"allow\" }", "1", "gateway.unknown-tokens",
     "\"allow\"", "one of \"reject\", \"adopt\""},
    {"gateway", "gateway { unknown-tokens = true }", "1", "gateway.unknown-tokens", "true",
     "one of"},
    {"health", "health { ewma-alpha = 1.5 }", "1", "health.ewma-alpha", "1.5",
     "a number from 0.001 to 1.0"},
    {"delivery", "delivery { allow-private-addresses = \"yes\" }", "1",
     "delivery.allow-private-addresses", "\"yes\"", "true or false"},
    {"store", "store { uri = \"mysql://x\" }", "1", "store.uri", "\"mysql://x\"", "sqlite:PATH"},
  };
  for (auto& one : cases) {
    write(one.file + ".conf", one.text);
    auto message = failure();
    CHECK(holds(message, one.file + ".conf:" + one.line + ": "));
    CHECK(holds(message, one.key + " = " + one.value + " is not allowed"));
    CHECK(holds(message, one.allowed));
    std::filesystem::remove(dir / (one.file + ".conf"));
  }
}

SCENARIO("an unknown key, a key in the wrong file and an unknown file are errors") {
  write("gateway.conf", "gateway {\n  unknown-token = \"adopt\"\n}\n");
  CHECK(holds(failure(),
              "unknown setting gateway.unknown-token; did you mean gateway.unknown-tokens?"));
  write("gateway.conf", "port = 1\n");
  CHECK(holds(failure(), "write it inside gateway { … }"));
  write("gateway.conf", "api { port = 1 }\n");
  CHECK(holds(failure(), "api.port belongs into api.conf"));
  write("gateway.conf", "gateway { port { x = 1 } }\n");
  CHECK(holds(failure(), "unknown setting gateway.port.x"));
  write("gateway.conf", "");
  write("session_pool.conf", "");
  CHECK(holds(failure(), "session_pool.conf: no setting is read from a file of this name"));
}

SCENARIO("all problems are reported at once") {
  write("gateway.conf", "gateway {\n  port = -1\n  colour = \"red\"\n}\n");
  write("log.conf", "log { level = \"loud\" }\n");
  auto message = failure({"--bot.retries=x"});
  CHECK(holds(message, "gateway.port"));
  CHECK(holds(message, "gateway.colour"));
  CHECK(holds(message, "log.level"));
  CHECK(holds(message, "command line: bot.retries = x is not allowed"));
}

SCENARIO("the command line is checked as strictly as files") {
  CHECK(
    holds(failure({"--gateway.prt=1"}), "unknown setting gateway.prt; did you mean gateway.port?"));
  CHECK(holds(failure({"--gateway.port"}), "--gateway.port needs a value"));
  CHECK(holds(failure({"--gateway.port="}), "gateway.port"));
  CHECK(holds(failure({"--gateway.port=+5"}), "is not allowed"));
  CHECK(holds(failure({"--gateway.port=5x"}), "is not allowed"));
  CHECK(holds(failure({"--gateway.default-deadline=5"}), "is not allowed"));
  CHECK(holds(failure({"--gateway.default-deadline=99999999999h"}), "is not allowed"));
  CHECK(holds(failure({"extra"}), "extra is not allowed"));
  CHECK(holds(failure({"--dump-confg"}), "unknown setting"));
  CHECK(holds(failure({"--config-dir="}), "--config-dir needs a value"));
  CHECK(holds(failure({"--help=nothing"}), "there is no such file"));
  CHECK_EQ(settings({"--gateway.default-deadline=1500ms"}).gateway.default_deadline, 1500ms);
}

SCENARIO("a directory that is not there is an error") {
  std::filesystem::remove_all(dir);
  CHECK(holds(failure(), "--config-dir=" + dir.string()));
}

SCENARIO("a directory in a file's place is an error, too") {
  CHECK(holds(failure({"--bot.tokens-file=" + dir.string()}), "bot.tokens-file"));
  std::filesystem::create_directories(dir / "gateway.conf");
  CHECK(holds(failure(), (dir / "gateway.conf").string() + ": cannot be read"));
}

SCENARIO("a faulty rules file is a fault of the configuration") {
  auto rules = dir / "rules";
  std::filesystem::create_directories(rules);
  auto option = "--delivery.rules-dir=" + rules.string();
  std::ofstream{rules / "shop.json"} << R"([{"on":"any","reply":"closed"}])";
  CHECK_EQ(settings({option}).delivery.rules_dir, rules.string());
  std::ofstream{rules / "bad.json"} << "[{}]";
  auto why = failure({option});
  CHECK(holds(why, "delivery.rules-dir"));
  CHECK(holds(why, (rules / "bad.json").string() + ": rules[0]"));
  CHECK(holds(failure({option, "--check-config"}), "bad.json"));
}

SCENARIO("a PEM file that is not there, or holds something else, is a fault of the configuration") {
  auto cert = (dir / "cert").string();
  auto key = (dir / "key").string();
  auto tls = [&](const std::string& one, const std::string& other) {
    return std::vector{"--gateway.tls-cert=" + one, "--gateway.tls-key=" + other};
  };
  auto both = failure(tls(cert, key));
  CHECK(holds(both, "gateway.conf: gateway.tls-cert = \"" + cert
                      + "\" is not allowed; allowed is a readable PEM file with a certificate"));
  CHECK(holds(both, "gateway.tls-key = \"" + key
                      + "\" is not allowed; allowed is a readable PEM "
                        "file with a private key"));
  write("cert", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
  write("key", "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n");
  CHECK_EQ(failure(tls(cert, key)), both); // They only look like it.
  auto made = net::test::throwaway_ca{}.issue("DNS:troupe.test");
  write("cert", made.certificate);
  write("key", made.key);
  CHECK_EQ(failure(tls(cert, key)), "");
  CHECK(holds(failure(tls(key, cert)), "gateway.tls-cert"));
  CHECK_EQ(failure({"--session-pool.ca-file=" + cert}), "");
  for (std::string name :
       {"session-pool.ca-file", "delivery.ca-file", "webhook.certificate", "cluster.etcd-ca-file"})
    CHECK(holds(failure({"--" + name + "=" + dir.string(), "--check-config"}), name));
}

SCENARIO("a key that is not its certificate's is a fault that names both settings") {
  net::test::throwaway_ca authority;
  auto one = authority.issue("DNS:one.test");
  auto other = authority.issue("DNS:other.test");
  write("one.pem",
        one.certificate + other.certificate); // The first one is meant; its chain follows.
  write("one.key", one.key);
  write("other.key", other.key);
  write("both.pem", one.key + one.certificate);
  auto at = [&](std::string_view name) { return (dir / name).string(); };
  for (auto [cert, key] : {std::pair{"gateway.tls-cert"s, "gateway.tls-key"s},
                           {"api.tls-cert", "api.tls-key"},
                           {"webhook.tls-cert", "webhook.tls-key"},
                           {"cluster.etcd-cert-file", "cluster.etcd-key-file"},
                           {"cluster.cert-file", "cluster.key-file"}}) {
    auto with = [&](std::string_view cert_file, std::string_view key_file) {
      std::vector options{"--" + cert + "=" + at(cert_file), "--" + key + "=" + at(key_file)};
      if (cert == "cluster.cert-file")
        options.push_back("--cluster.ca-file=" + authority.path());
      return options;
    };
    CHECK_EQ(failure(with("one.pem", "one.key")), "");
    CHECK_EQ(failure(with("both.pem", "both.pem")), "");
    auto why = failure(with("one.pem", "other.key"));
    CHECK(holds(why, key.substr(0, key.find('.')) + ".conf: " + key + " = \"" + at("other.key")
                       + "\" must be the key of the certificate in " + cert + " = \""
                       + at("one.pem") + "\"\n"));
    CHECK_EQ(std::ranges::count(why, '\n'), 1);
  }
}

SCENARIO("rules between settings name both keys and both values") {
  write("session-pool.conf", "session-pool { max-connections = 20, max-per-host = 30 }\n");
  CHECK(holds(failure(), "session-pool.conf: session-pool.max-per-host = 30 must not exceed "
                         "session-pool.max-connections = 20"));
  write("session-pool.conf", "");
  CHECK(holds(failure({"--api.port=8081"}), "gateway.port = 8081 must differ, on the same address, "
                                            "from api.port = 8081"));
  CHECK_EQ(failure({"--api.port=8081", "--api.address=127.0.0.2"}), "");
  CHECK_EQ(failure({"--api.port=0", "--gateway.port=0"}), "");
  CHECK(holds(failure({"--gateway.tls-cert=a.pem"}), "must be set together with gateway.tls-key"));
  CHECK(holds(failure({"--bot.first-delay=5s", "--bot.max-delay=2s"}), "bot.max-delay = 2s"));
}

SCENARIO("whoever lowers one limit need not lower the defaults below it") {
  auto all = settings({"--session-pool.max-connections=5", "--session-pool.request-timeout=2s",
                       "--bot.max-delay=100ms"});
  CHECK_EQ(all.session_pool.max_per_host, 5u);
  CHECK_EQ(all.session_pool.max_per_bot, 5u);
  CHECK_EQ(all.session_pool.connect_timeout, 2s);
  CHECK_EQ(all.bot.first_delay, 100ms);
  CHECK_EQ(settings({"--session-pool.request-timeout=10min"}).bot.lease_timeout, 20min);
}

SCENARIO("tokens come from a file and the environment, are checked, and are never shown") {
  write("tokens", "# bots\n\n 1:" + tail + " \r\n2:" + tail + "\n1:" + tail + "\n");
  variables["TROUPE_BOT_TOKENS"] = "2:" + tail + ", 3:" + tail + ",";
  auto option = "--bot.tokens-file=" + (dir / "tokens").string();
  auto all = settings({option});
  REQUIRE_EQ(all.bot.tokens.size(), 3u);
  CHECK_EQ(all.bot.tokens[2].reveal(), "3:" + tail);
  auto dump = printed({option, "--dump-config"});
  CHECK(holds(dump, "3 bot tokens are configured"));
  CHECK(!holds(dump, "xxxxx"));
  WHEN("one is no token, or a bot has two") {
    write("tokens", "1:" + tail + "\n1:" + tail + "y\n");
    variables["TROUPE_BOT_TOKENS"] = "1:" + std::string(35, 'y');
    auto message = failure({option});
    THEN("the place is named and no token") {
      CHECK(holds(message, "tokens:2: not a bot token"));
      CHECK(holds(message, "TROUPE_BOT_TOKENS, entry 1: bot 1 has another token already"));
      CHECK(!holds(message, "xxx"));
      CHECK(!holds(message, "yyy"));
    }
  }
  WHEN("the file is missing") {
    std::filesystem::remove(dir / "tokens");
    THEN("that is an error") {
      CHECK(holds(failure({option}), "a readable file"));
    }
  }
}

SCENARIO("secrets are refused on the command line and masked in dumps and messages") {
  CHECK(holds(failure({"--secrets.master-key-file=x"}), "may only be set in secrets.conf"));
  auto uri = "postgresql://troupe:hunter2@db/troupe"s;
  auto message = failure({"--store.uri=" + uri});
  CHECK(holds(message, "may only be set in store.conf"));
  CHECK(!holds(message, "hunter2"));
  write("store.conf", "store { uri = \"" + uri + "\" }\n");
  CHECK_EQ(settings().store.uri, uri);
  CHECK(holds(printed({"--dump-config"}), "postgresql://troupe:***@db/troupe"));
  CHECK(!holds(printed({"--dump-config"}), "hunter2"));
  CHECK_EQ(config::masked_uri("postgresql://u:p/w@rd@h/d"), "postgresql://u:***@h/d");
  CHECK_EQ(config::masked_uri("postgresql://h/d?password=x&a=b"),
           "postgresql://h/d?password=***&a=b");
  CHECK_EQ(config::masked_uri("sqlite:a@b:c"), "sqlite:a@b:c");
  auto slip = failure({"--gateway.unknown-tokens=1:" + tail, "--1:" + tail + "=x", "1:" + tail});
  CHECK(!holds(slip, "xxxxx"));
  variables["TROUPE_MASTER_KEY"] = "short";
  CHECK(holds(failure(), "TROUPE_MASTER_KEY is not allowed; allowed are 32 bytes in base64"));
  CHECK(!holds(failure(), "short"));
  variables["TROUPE_MASTER_KEY"] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  CHECK(!settings().secrets.master_key.empty());
  CHECK(!holds(printed({"--dump-config"}), "MDEy"));
}

SCENARIO("help, version, dump and check answer and end the program") {
  CHECK(holds(printed({"--help"}), "--session-pool.max-connections=100"));
  CHECK(holds(printed({"--help"}), "Usage: trouped "));
  CHECK(!holds(printed({"--help=log"}), "--gateway.port"));
  CHECK(holds(printed({"--help=log"}), "--log.level=\"info\""));
  CHECK(holds(printed({"--version"}), "trouped " TROUPE_VERSION));
  CHECK_EQ(printed({"--check-config"}), "The configuration is correct.\n");
  CHECK(!failure({"--check-config", "--gateway.port=x"}).empty());
  CHECK_EQ(config::check_directory(dir.string(), env()).message, "");
  write("log.conf", "log { level = 3 }");
  CHECK(holds(config::check_directory(dir.string(), env()).message, "log.conf:1"));
}

SCENARIO("a reload takes live settings over and names those that need a restart") {
  write("log.conf", "log { level = \"info\" }\n");
  auto running = settings();
  write("log.conf", "log { level = \"debug\" }\n");
  write("gateway.conf", "gateway { threads = 7 }\n");
  variables["TROUPE_BOT_TOKENS"] = "1:" + tail;
  auto again = [&] {
    return config::reload(static_cast<int>(argv.size()), argv.data(), env(), running);
  };
  auto result = again();
  auto* found = std::get_if<config::changes>(&result);
  REQUIRE(found != nullptr);
  CHECK_EQ(found->live, std::vector{"log.level"s});
  auto expected = std::vector{"gateway.threads"s, "bot.tokens"s};
  CHECK_EQ(found->restart, expected);
  CHECK_EQ(found->now.log.level, "debug");
  CHECK_EQ(found->now.gateway.threads, 2u);
  WHEN("a file became wrong") {
    write("gateway.conf", "gateway { threads = 0 }\n");
    auto rejected = again();
    THEN("nothing changes and the problem is named") {
      auto* failed = std::get_if<config::error>(&rejected);
      REQUIRE(failed != nullptr);
      CHECK(holds(failed->message, "gateway.threads = 0"));
    }
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::load_suite
