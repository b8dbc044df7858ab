#pragma once
#include "actors/rate_governor/rate_governor.hpp"
#include "messages/cluster.hpp"
#include "messages/rate_governor.hpp"

/// Between the words of the protocol and those of the policy.
namespace troupe {

[[nodiscard]] budget_limits to_budgets(const rate_limits& x);
[[nodiscard]] grant_limits to_limits(const rate_governor_config& cfg);
[[nodiscard]] grant_request to_request(const permit_request& x);
[[nodiscard]] shard_past to_past(const past_of_shard& x);
[[nodiscard]] past_of_shard to_words(const grant_engine::given_up& x);
[[nodiscard]] governor_report report_of(const grant_engine& engine, time_point now);

} // namespace troupe
