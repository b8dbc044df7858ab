#include "actors/store/perform_parts.hpp"
#include "runtime/crypto/codes.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/store/shards.hpp"

namespace troupe::storage {
namespace {

std::string code_hash(const context& c, bot_id bot, const std::string& code) {
  // With the bot's number, so that equal codes of two bots have different hashes.
  return crypto::keyed_hash(c.lookup, crypto::purpose::verification_code,
                            std::to_string(bot) + ' ' + code);
}

} // namespace

answer<made_virtual_token> perform(unit& u, const context& c, const virtual_token_make& x) {
  constexpr std::string_view action = "virtual-token.make";
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found) {
    enter(u, c, x.by, x.tenant, action, subject_of("bot", x.bot), store_refusal::not_found);
    return refused(store_refusal::not_found);
  }
  if (!found->verified) { // Unproven bots do nothing, by whatever token.
    enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot), store_refusal::not_verified);
    return refused(store_refusal::not_verified);
  }
  if (store::count_virtual_tokens(u, x.bot, c.now()) >= c.max_virtual_tokens) {
    enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot), store_refusal::too_many);
    return refused(store_refusal::too_many);
  }
  auto token = crypto::make_virtual_token(x.bot, c.random);
  store::virtual_token row;
  row.tenant = found->tenant;
  row.bot = x.bot;
  row.name = x.name;
  row.methods = x.methods;
  row.created = c.now();
  row.expires = maybe_time(x.expires);
  auto hash = crypto::keyed_hash(c.lookup, crypto::purpose::virtual_token, token.reveal());
  auto id = store::add_virtual_token(u, row, hash);
  if (!id)
    return refused(store_refusal::not_found);
  row.id = *id;
  enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot), store_refusal::none,
        R"({"token":)" + std::to_string(*id) + '}');
  return made_virtual_token{row_of(row), {token.reveal()}};
}

answer<done> perform(unit& u, const context& c, const virtual_token_revoke& x) {
  auto found = bot_for(u, x.tenant, x.bot);
  auto revoked = found && store::revoke_virtual_token(u, found->tenant, x.bot, x.id, c.now());
  auto outcome = revoked ? store_refusal::none : store_refusal::not_found;
  enter(u, c, x.by, found ? found->tenant : x.tenant, "virtual-token.revoke",
        subject_of("bot", x.bot), outcome, R"({"token":)" + std::to_string(x.id) + '}');
  if (!revoked)
    return refused(outcome);
  return done{};
}

answer<page<virtual_token_row>> perform(unit& u, const context&, const virtual_token_query& x) {
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found)
    return refused(store_refusal::not_found);
  auto limit = rows_at_most(x.limit);
  return page_of<virtual_token_row>(
    store::list_virtual_tokens(u, found->tenant, x.bot, x.after, limit + 1), limit);
}

answer<page<made_virtual_token>> perform(unit& u, const context& c, const virtual_token_load& x) {
  auto limit = rows_at_most(x.limit);
  auto found = x.shards.empty() ? store::load_virtual_tokens(u, x.after, limit + 1, c.now())
                                : store::load_virtual_tokens(u, x.after, limit + 1, c.now(),
                                                             store::shard_set{x.shards});
  page<made_virtual_token> result;
  result.more = found.size() > limit;
  found.resize(std::min<std::size_t>(found.size(), limit));
  for (auto& [row, hash] : found)
    result.rows.push_back({row_of(row), {std::move(hash)}});
  return result;
}

answer<verification_row> perform(unit& u, const context& c, const verification_make& x) {
  constexpr std::string_view action = "verification.make";
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found) {
    enter(u, c, x.by, x.tenant, action, subject_of("bot", x.bot), store_refusal::not_found);
    return refused(store_refusal::not_found);
  }
  verification_row row;
  row.bot = x.bot;
  row.code.text = crypto::make_verification_code(c.random);
  auto now = c.now();
  auto expires = now + c.code_lifetime;
  row.created = ms_of(now);
  row.expires = ms_of(expires);
  store::set_verification(u, found->tenant, x.bot, code_hash(c, x.bot, row.code.text), now,
                          expires);
  enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot));
  return row;
}

answer<code_verdict> perform(unit& u, const context& c, const verification_try& x) {
  static_assert(same_words(store::verdict_names, code_verdict_names));
  auto code = crypto::read_verification_code(x.typed);
  // Whoever follows a link to the bot ("/start REFERRAL") does not guess.
  auto hash = code.empty() ? std::string{} : code_hash(c, x.bot, code);
  auto what = store::verify(u, x.bot, hash, x.sender, c.code_attempts, c.now());
  if (auto bot = hash.empty() ? std::nullopt : store::find_any_bot(u, x.bot))
    enter(u, c, {}, bot->tenant, "verification.try", subject_of("bot", x.bot), store_refusal::none,
          R"({"verdict":")" + to_string(what) + "\"}");
  return static_cast<code_verdict>(what);
}

answer<verification_row> perform(unit& u, const context&, const verification_query& x) {
  auto bot = bot_for(u, x.tenant, x.bot);
  auto found = bot ? store::find_verification(u, bot->tenant, x.bot) : std::nullopt;
  if (!found)
    return refused(store_refusal::not_found);
  verification_row row;
  row.bot = x.bot;
  row.attempts = static_cast<std::uint32_t>(found->attempts);
  row.created = ms_of(found->created);
  row.expires = ms_of(found->expires);
  return row;
}

} // namespace troupe::storage
