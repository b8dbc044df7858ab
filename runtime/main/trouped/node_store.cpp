#include "runtime/main/trouped/node_store.hpp"

#include "actors/store/sql_threads.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/log/log.hpp"
#include "runtime/relay/signature.hpp"
#include "runtime/store/opening.hpp"
#include "runtime/system/file_exchange.hpp"

#include <boost/json/parse.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace troupe {
namespace {

void tell_of(const store::renewal& x) {
  if (x.resealed > 0)
    log::event(log::level::info, "seals.renewed", "troupe.store",
               {{"seals", static_cast<std::int64_t>(x.resealed)}},
               "What an older master key sealed is sealed under the current one.");
  if (x.unreadable)
    log::event(log::level::error, "seals.unreadable", "troupe.store", {},
               "A stored token does not open; older master keys must be kept.");
}

} // namespace

node_store::node_store(const config::settings& settings) {
  const auto& dir = settings.node.data_dir;
  std::filesystem::create_directories(dir);
  store::opening how;
  how.database.where = store::locate(settings.store.uri, dir);
  how.keys.environment = settings.secrets.master_key.reveal();
  how.keys.file = settings.secrets.master_key_file;
  how.keys.data_dir = dir;
  how.node = settings.node.name.empty() ? "node" : settings.node.name;
  how.operator_key_file = dir + "/operator.key";
  where_ = store::shown(how.database.where);
  if (how.database.where.kind == store::backend::sqlite) {
    system::finish_exchange(how.database.where.name); // troupectl restore may have been killed.
    note_ = how.database.where.name + ".restored-by";
  }
  auto random = crypto::os_random();
  auto opened = store::open(how, random);
  log::event(log::level::info, "store.opened", "troupe.store",
             {{"where", where_}, {"master_key", opened.keys.origin}});
  if (opened.keys.created)
    log::event(log::level::warning, "master-key.made", "troupe.store",
               {{"file", opened.keys.origin}},
               "A master key was made; without it no stored token can be read: keep a copy apart.");
  if (opened.keys.readable_by_others)
    log::event(log::level::warning, "master-key.readable", "troupe.store",
               {{"file", opened.keys.origin}}, "Other users can read the master key's file.");
  tell_of({opened.resealed, opened.unreadable});
  if (opened.made_operator_key)
    log::event(log::level::info, "operator-key.made", "troupe.store",
               {{"file", how.operator_key_file}},
               "A first operator key was made; troupectl on this machine finds it by itself.");
  if (opened.lost_requests > 0)
    log::event(log::level::warning, "requests.lost", "troupe.store",
               {{"requests", static_cast<std::int64_t>(opened.lost_requests)}},
               "Requests with an Idempotency-Key ran when the node ended; their outcome is unknown.");
  how_ = how;
  storage::context context{std::move(opened.keys.ring), std::move(opened.lookup)};
  context.node = how.node;
  context.max_users = static_cast<std::int64_t>(settings.store.max_users);
  context.max_keys = static_cast<std::int64_t>(settings.store.max_keys);
  context.max_virtual_tokens = static_cast<std::int64_t>(settings.store.max_virtual_tokens);
  if (how.database.where.kind == store::backend::sqlite)
    context.back_up = [database = how.database](const std::string& path) {
      store::back_up(database, path);
    };
  context_ = std::make_shared<const storage::context>(std::move(context));
  storage::sql_threads_config threads;
  threads.database = how.database;
  // Who asks waits: rather a refusal soon, and another try.
  threads.database.patience = std::chrono::seconds{2};
  sql_ = storage::make_sql_threads(std::move(threads));
}

void node_store::renew_keys() try {
  auto random = crypto::os_random();
  auto places = how_.keys;
  places.embedded = how_.database.where.kind == store::backend::sqlite;
  places.in_use = true;
  auto keys = crypto::load_master_keys(places, random);
  if (keys.ring.ids() == context_->ring->ids())
    return;
  auto renewed = store::renew(how_.database, keys.ring, random, [&] {
    context_->ring.replace(keys.ring);
    log::event(log::level::info, "master-key.loaded", "troupe.store",
               {{"file", keys.origin}, {"keys", static_cast<std::int64_t>(keys.ring.ids().size())}},
               "The master keys were read again; the first seals from now on.");
  });
  tell_of(renewed);
} catch (const std::exception& why) {
  log::event(log::level::error, "master-key.rejected", "troupe.store", {{"reason", why.what()}},
             "The master keys cannot be taken over; the node goes on with those it has.");
}

std::optional<audit_row> node_store::restoration() const {
  std::ifstream in{note_};
  std::stringstream text;
  text << in.rdbuf();
  if (note_.empty() || !in)
    return std::nullopt;
  audit_row row;
  row.action = "store.restore";
  row.subject = "store";
  row.outcome = "ok";
  row.by.name = "troupectl";
  boost::system::error_code ec;
  auto note = boost::json::parse(text.str(), ec);
  if (!ec && note.is_object()) {
    row.detail = text.str();
    if (auto* by = note.get_object().if_contains("by"); by != nullptr && by->is_string())
      row.by.name += ' ' + std::string{by->get_string()};
  }
  return row;
}

void node_store::forget_restoration() const {
  std::error_code ignored;
  std::filesystem::remove(note_, ignored);
}

store_actor node_store::spawn(caf::actor_system& sys,
                              std::shared_ptr<const cluster_view> cluster) const {
  store_config config;
  config.where = where_;
  return spawn_store(sys, std::move(config), {sql_, context_, std::move(cluster)});
}

std::shared_ptr<const updates::webhook_secret> node_store::webhook_secret() const {
  return std::make_shared<const updates::webhook_secret>(context_->lookup);
}

std::string node_store::virtual_hash(std::string_view token) const {
  return crypto::keyed_hash(context_->lookup, crypto::purpose::virtual_token, token);
}

std::string node_store::signing_key(bot_id bot) const {
  return relay::signing_key(context_->lookup, bot);
}

} // namespace troupe
