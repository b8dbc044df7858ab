#include "runtime/api/routes.hpp"

#include "runtime/api/client_address.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/peer.hpp"
#include "runtime/api/trail.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>

namespace troupe::api {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::string address_of(context& ctx, const request& what) {
  std::string forwarded;
  for (auto& one : what.headers)
    if (same_name(one.name, "X-Forwarded-For")) {
      if (!forwarded.empty())
        forwarded += ',';
      forwarded += one.value;
    }
  return client_address(what.peer, forwarded, ctx.limits().trusted_proxies);
}

bool is_json(std::string_view media_type) {
  auto type = config::trimmed(media_type.substr(0, media_type.find(';')));
  return same_name(type, "application/json");
}

template <class T>
T kept(checked<T> result) {
  if (auto* wrong = std::get_if<complaint>(&result))
    throw refused{wrong->what, std::move(wrong->sentence), std::move(wrong->where)};
  return std::move(std::get<T>(result));
}

boost::json::object body_of(const request& what, const route& where) {
  if (what.body.size() > largest_body)
    throw refused{api_error::body_too_large};
  if (what.body.empty()) {
    if (where.takes == body_use::needed)
      throw refused{api_error::body_missing};
    return {};
  }
  if (where.takes == body_use::none)
    throw refused{api_error::body_unexpected};
  if (!is_json(what.header("Content-Type")))
    throw refused{api_error::media_type};
  if (where.takes == body_use::free)
    return kept(read_object(what.body));
  return kept(read_body(what.body, where.body));
}

net::http_task<void> charge(const principal& who, context& ctx, const request& what) {
  auto wait = co_await take_over_all(ctx, what.io, quota_kind::requests, who.quota_name());
  if (wait) {
    refused too_many{api_error::too_many_requests};
    too_many.headers = retry_after(*wait);
    throw too_many;
  }
}

refused too_many_failures(duration wait) {
  refused result{api_error::too_many_failures};
  result.headers = retry_after(wait);
  return result;
}

bool is_wrong_key(const refused& why) {
  for (auto one : {api_error::invalid_key, api_error::key_truncated, api_error::key_expired,
                   api_error::key_revoked})
    if (why.text == &text_of(one))
      return true;
  return false;
}

/// Asks the store for a key that has the form of one. @throws refused
net::http_task<principal> looked_up(context& ctx, const request& what, const std::string& group,
                                    const std::string& key) {
  key_gate::place place;
  if (wait_over_all(ctx, quota_kind::failures, group) && !ctx.keys.familiar(key)) {
    place = ctx.keys.enter(group);
    if (!place)
      throw too_many_failures(std::chrono::seconds{1});
  }
  auto who = co_await authenticated(ctx, what.io, key);
  co_return who;
}

/// Who the key belongs to. Whoever guesses is not told for long whether he was near, and costs
/// neither the store much nor those behind the same address their access. @throws refused
net::http_task<principal> known(context& ctx, const request& what, const std::string& client) {
  auto group = client_group(client);
  std::string key;
  std::optional<refused> wrong;
  try {
    key = bearer_key(what.header("Authorization"));
    auto who = co_await looked_up(ctx, what, group, key);
    ctx.keys.accepted(key);
    co_return who;
  } catch (const refused& why) {
    wrong = why;
  }
  if (is_wrong_key(*wrong)) {
    ctx.keys.rejected(key);
    auto wait = co_await take_over_all(ctx, what.io, quota_kind::failures, group);
    if (wait)
      throw too_many_failures(*wait);
  }
  throw *wrong;
}

/// Enters in the trail that a key asked for what its role does not allow.
void note_forbidden(context& ctx, const principal& who, const request& what, const route& where,
                    const std::string& client) {
  audit_row row;
  row.by = {who.shown_name(), who.who.key.id, client, std::string{what.request_id}};
  row.tenant = who.tenant();
  row.action = "api.refused";
  row.subject = "route:" + std::string{where.name};
  row.outcome = "forbidden";
  enter_in_trail(ctx, std::move(row));
}

/// Who asks; nobody where that is enough. @throws refused
net::http_task<principal> admitted(context& ctx, const request& what, const route& where,
                                   const std::string& client) {
  principal who;
  if (where.needs == access::open)
    co_return who;
  if (!ctx.p.store) {
    if (where.needs == access::node)
      co_return who;
    throw refused{api_error::no_store};
  }
  who = co_await known(ctx, what, client);
  // Operators look at their node as often as they like.
  if (where.needs != access::node || !who.is_operator())
    co_await charge(who, ctx, what);
  if (!may(who, where.needs)) {
    note_forbidden(ctx, who, what, where, client);
    throw refused{api_error::forbidden};
  }
  co_return who;
}

task dispatch(context& ctx, const request& what) {
  auto found = find_route(what.method, what.path);
  if (found.where == nullptr && found.allowed.empty())
    throw refused{api_error::not_found};
  if (found.where == nullptr) {
    refused wrong_method{api_error::method_not_allowed,
                         "This resource takes only: " + found.allowed + '.'};
    wrong_method.headers = "Allow: " + found.allowed + "\r\n";
    throw wrong_method;
  }
  auto& where = *found.where;
  auto client = address_of(ctx, what);
  auto who = co_await admitted(ctx, what, where, client);
  auto reads = where.method == "GET" || where.path == "/v1/bots:batchGet";
  if (!reads && ctx.p.draining && ctx.p.draining())
    throw refused_by(caf::make_error(ec::draining));
  parameters query;
  boost::json::object body;
  if (where.needs != access::open) { // Pages and probes overlook what is added to them.
    query = kept(read_query(what.query, where.query));
    body = body_of(what, where);
  }
  inquiry all{what,           found.arguments,  std::move(query), std::move(body),
              std::move(who), std::move(client)};
  try {
    auto answer = co_await where.serve(ctx, all);
    co_return answer;
  } catch (const refused& why) { // Of a field that the key's role may not use.
    if (why.text == &text_of(api_error::forbidden))
      note_forbidden(ctx, all.who, what, where, all.client);
    throw;
  }
}

response failed(const request& what, std::string_view why) {
  log::event(log::level::error, "api.failed", "troupe.api",
             {{"request", what.request_id}, {"reason", why}});
  return problem(text_of(api_error::internal), what.request_id);
}

} // namespace

std::string_view request::header(std::string_view name) const noexcept {
  for (auto& one : headers)
    if (same_name(one.name, name))
      return one.value;
  return {};
}

std::shared_ptr<context> make_context(ports from) {
  auto ctx = std::make_shared<context>(std::move(from));
  if (ctx->p.cluster) {
    ctx->shared = std::make_unique<shared_limits>(ctx->p.cluster);
    ctx->peer = spawn_peer(*ctx->p.system, ctx);
    ctx->p.cluster->api.publish(ctx->peer);
  }
  return ctx;
}

net::http_task<response> handle(std::shared_ptr<context> ctx, request what) {
  response answer;
  try {
    answer = co_await dispatch(*ctx, what);
  } catch (const refused& why) {
    answer = problem(why, what.request_id);
  } catch (const boost::system::system_error& gone) {
    if (gone.code() == boost::asio::error::operation_aborted)
      throw;
    answer = failed(what, gone.what());
  } catch (const std::exception& failure) {
    answer = failed(what, failure.what());
  }
  answer.headers += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ";
  answer.headers += what.request_id;
  answer.headers += "\r\n";
  co_return answer;
}

} // namespace troupe::api
