#pragma once
#include <array>
#include <string_view>

/// The statements of every migration: frozen once published (tests/store holds their hashes).
/// Times are milliseconds since 1970. Texts are UTF-8. Numbers are whole.
namespace troupe::store::schema {

using namespace std::string_view_literals;

/// Version 1. Tenant 1 exists from the start: it owns the bots of a node without tenants.
inline constexpr std::array tenants_and_bots{
  // Keys that must not change when the master key does, sealed under it.
  R"(CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    box TEXT NOT NULL))"sv,
  // max_bots, rps: 0 = no limit of its own.
  R"(CREATE TABLE tenants (
    id {id},
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    max_bots BIGINT NOT NULL,
    rps BIGINT NOT NULL,
    created BIGINT NOT NULL))"sv,
  R"(INSERT INTO tenants (name, state, max_bots, rps, created)
    VALUES ('default', 'active', 0, 0, 0))"sv,
  R"(CREATE TABLE users (
    id {id},
    tenant BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    created BIGINT NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (tenant, id)))"sv,
  R"(CREATE TABLE api_keys (
    id {id},
    tenant BIGINT REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT,
    role TEXT NOT NULL CHECK (role IN ('operator', 'admin', 'developer', 'viewer')),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT,
    used BIGINT,
    CHECK ((role = 'operator') = (tenant IS NULL)),
    CHECK (user_id IS NULL OR tenant IS NOT NULL),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id) ON DELETE CASCADE))"sv,
  "CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id)"sv,
  // phase_until: the end of a quarantine. owner: the Telegram user who proved the ownership.
  // rps, concurrent: 0 = the node's default. version counts every change.
  R"(CREATE TABLE bots (
    id {key},
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    token_key TEXT NOT NULL,
    token_box TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    phase TEXT NOT NULL CHECK (phase IN
      ('pending', 'active', 'passive', 'suspended', 'quarantined', 'unauthorized', 'stopped')),
    reason TEXT NOT NULL,
    phase_since BIGINT NOT NULL,
    phase_until BIGINT,
    quarantines BIGINT NOT NULL,
    owner BIGINT,
    verified BIGINT,
    rps BIGINT NOT NULL,
    concurrent BIGINT NOT NULL,
    settings TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (tenant, id)))"sv,
  "CREATE INDEX bots_by_phase ON bots (tenant, phase, id)"sv,
  R"(CREATE TABLE verification_codes (
    bot {key} REFERENCES bots (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL))"sv,
  // methods: names in small letters with a blank around each; empty = all.
  R"(CREATE TABLE virtual_tokens (
    id {id},
    tenant BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    methods TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT,
    FOREIGN KEY (tenant, bot) REFERENCES bots (tenant, id) ON DELETE CASCADE))"sv,
  "CREATE INDEX virtual_tokens_of_bot ON virtual_tokens (tenant, bot, id)"sv,
};

/// Version 2. One row per bot and hour for a week, one per bot and day for 90: requests by outcome,
/// the sum of latencies in microseconds, updates. `detail` is JSON: by method, by kind, the busiest
/// chats and, in days, by hour. Rows of one bot lie together where the database can do that.
inline constexpr std::array health_and_usage{
  R"(CREATE TABLE bot_health (
    bot {key} REFERENCES bots (id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (status IN ('healthy', 'degraded', 'unhealthy', 'suspended')),
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    client_errors BIGINT NOT NULL,
    rate_limited BIGINT NOT NULL,
    latency_us BIGINT NOT NULL,
    consecutive_failures BIGINT NOT NULL,
    last_success BIGINT,
    last_failure BIGINT,
    breaker TEXT NOT NULL CHECK (breaker IN ('closed', 'open', 'half-open')),
    breaker_until BIGINT,
    saved BIGINT NOT NULL))"sv,
  R"(CREATE TABLE usage_hours (
    bot BIGINT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    hour BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    client_errors BIGINT NOT NULL,
    rate_limited BIGINT NOT NULL,
    latency_us BIGINT NOT NULL,
    updates BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (bot, hour)) {clustered})"sv,
  R"(CREATE TABLE usage_days (
    bot BIGINT NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    client_errors BIGINT NOT NULL,
    rate_limited BIGINT NOT NULL,
    latency_us BIGINT NOT NULL,
    updates BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (bot, day)) {clustered})"sv,
};

/// Version 3. idempotency names no bot by reference: bots that no registry knows have keys, too.
/// Its key is a hash: what clients choose has any length. owner: the node that runs the request.
inline constexpr std::array idempotency_and_audit{
  R"(CREATE TABLE idempotency (
    tenant BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'unknown')),
    owner TEXT NOT NULL,
    status BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    answer TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (tenant, bot, key)) {clustered})"sv,
  "CREATE INDEX idempotency_by_expiry ON idempotency (expires)"sv,
  "CREATE INDEX idempotency_running ON idempotency (owner) WHERE state = 'running'"sv,
  // No reference to anything: the trail outlives what it tells of.
  R"(CREATE TABLE audit (
    id {id},
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_key BIGINT,
    tenant BIGINT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT NOT NULL,
    request TEXT NOT NULL,
    detail TEXT NOT NULL))"sv,
  "CREATE INDEX audit_of_tenant ON audit (tenant, id)"sv,
  "CREATE INDEX audit_of_subject ON audit (subject, id)"sv,
  R"(sqlite:CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END)"sv,
  R"(sqlite:CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END)"sv,
  // INSERT OR REPLACE deletes without asking the trigger above.
  R"(sqlite:CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END)"sv,
  R"(postgresql:CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$)"sv,
  R"(postgresql:CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only())"sv,
};

/// Version 4. What waits for delivery, by the journal's number: appended at the end, so that many
/// updates share a page. update_marks leads from a bot to them, and outlives them: a bot's last
/// ones tell duplicates. hash: SipHash-2-4 of the body under the key 0. own_key: whether key_id is
/// of the kind's own ids (users, polls), not a chat's. No reference to bots: each would be looked
/// up for every update; whoever removes a bot removes these.
inline constexpr std::array updates_and_dead_letters{
  R"(CREATE TABLE updates (
    seq {key},
    bot BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    own_key BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    urgent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL))"sv,
  R"(CREATE TABLE update_marks (
    bot BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (bot, update_id, hash)) {clustered})"sv,
  R"(CREATE TABLE dead_letters (
    id {key},
    bot BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    own_key BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    urgent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    died BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    reason TEXT NOT NULL,
    body TEXT NOT NULL))"sv,
  "CREATE INDEX dead_letters_of_bot ON dead_letters (bot, id)"sv,
  // The next number that the journal gives: of updates and of dead letters.
  R"(CREATE TABLE journal_numbers (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL))"sv,
  "INSERT INTO journal_numbers (name, next) VALUES ('seq', 1)"sv,
};

/// Version 5. Marks of update_marks that are not there yet, by number: appended at the end like the
/// updates themselves. In the order of bots each would be a page of its own.
inline constexpr std::array fresh_marks{
  R"(CREATE TABLE fresh_marks (
    seq {key},
    bot BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    hash BIGINT NOT NULL))"sv,
};

/// Version 6. Those of one unit in one row, under the highest number: ";bot update_id hash seq" for
/// each.
inline constexpr std::array packed_marks{
  R"(CREATE TABLE packed_marks (
    seq {key},
    marks TEXT NOT NULL))"sv,
  R"(INSERT INTO packed_marks (seq, marks) SELECT seq, ';' || CAST(bot AS TEXT) || ' '
    || CAST(update_id AS TEXT) || ' ' || CAST(hash AS TEXT) || ' ' || CAST(seq AS TEXT)
    FROM fresh_marks)"sv,
  "DROP TABLE fresh_marks"sv,
  "ALTER TABLE packed_marks RENAME TO fresh_marks"sv,
};

/// Version 7. For several nodes on one store: the revision of each shard's newest owner, and the
/// shard of each bot (what computes it is no SQL: the step fills both). update_box: updates that a
/// node took for a bot of another's, by place, in order of their coming. No reference to bots: each
/// would be looked up for every update; whoever removes a bot removes these.
inline constexpr std::array shards_and_box{
  R"(CREATE TABLE shard_fences (
    shard {key},
    revision BIGINT NOT NULL))"sv,
  R"(CREATE TABLE bot_shards (
    bot {key} REFERENCES bots (id) ON DELETE CASCADE,
    shard BIGINT NOT NULL))"sv,   "CREATE INDEX bots_of_shard ON bot_shards (shard, bot)"sv,
  R"(CREATE TABLE update_box (
    place {id},
    bot BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    kind TEXT NOT NULL,
    own_key BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    urgent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (bot, update_id, hash)))"sv,   "CREATE INDEX update_box_of_bot ON update_box (bot, place)"sv,
};

/// Version 8. The owner before the newest one (0: none; -1: not known), and what owners that gave a
/// shard up know of its bots' windows: runtime/store/shard_pasts.hpp.
inline constexpr std::array shard_pasts{
  "ALTER TABLE shard_fences ADD COLUMN previous BIGINT NOT NULL DEFAULT -1"sv,
  R"(CREATE TABLE shard_pasts (
    shard {key},
    revision BIGINT NOT NULL,
    past TEXT NOT NULL))"sv,
};

/// Version 9. What 429s forbid bots yet, until when by the database's clock, in milliseconds:
/// runtime/store/shard_holds.hpp.
inline constexpr std::array shard_holds{
  R"(CREATE TABLE shard_holds (
    shard BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    method TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (shard, bot, chat, method)) {clustered})"sv,
};

/// Version 10. Wrong codes by sender, so that strangers do not use up the owner's attempts.
inline constexpr std::array verification_tries{
  R"(CREATE TABLE verification_tries (
    bot BIGINT NOT NULL REFERENCES verification_codes (bot) ON DELETE CASCADE,
    sender BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (bot, sender)) {clustered})"sv,
};

} // namespace troupe::store::schema
