#pragma once
#include "messages/store.hpp"

#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <functional>
#include <string>
#include <string_view>

/// How requests with an Idempotency-Key end, for every front that takes them.
namespace troupe {

/// What the upstream's answer with this HTTP status says of a request: a 429 is a refusal before
/// anything was done, so the key is free again. Every other answer is the answer, errors of the
/// server included: what the client has seen once a repetition sees again, and nothing is sent
/// twice. Without an answer, whoever had the request written has to `lose` it.
[[nodiscard]] constexpr idempotency_end_kind ending_of(std::uint16_t status) noexcept {
  return status == 429 ? idempotency_end_kind::forget : idempotency_end_kind::finish;
}

/// What is kept of a request to tell it from another one with the same key: 128 bits of what it
/// means (`telegram::meaning_of`), the same on every node, at every start and on every front.
/// Whoever finds two requests that are alike deceives nobody but himself.
[[nodiscard]] std::string print_of(std::string_view meaning);

struct request_end_pauses {
  caf::timespan first = std::chrono::milliseconds{100}; ///< Doubles with each try, ...
  caf::timespan longest = std::chrono::seconds{10};     ///< ... up to this.
  caf::timespan patience = std::chrono::hours{1};       ///< For all tries together.
};

/// Tells the store how a request ended, again and again until the store knows or `patience` is
/// over: a key must not stay `running` because the store was being restarted. `told`, which may be
/// empty, is called once, on any thread: with no error when it is stored.
/// @param store Asked at each try; may return an empty handle. It must stay callable.
void tell_end(caf::actor_system& sys, std::function<store_actor()> store, idempotency_end what,
              std::function<void(caf::error)> told = {}, request_end_pauses pauses = {});

} // namespace troupe
