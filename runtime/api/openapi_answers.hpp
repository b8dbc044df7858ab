#pragma once
#include <boost/json/object.hpp>

#include <optional>
#include <string_view>

/// What the routes answer with, for the OpenAPI document. Private to this folder.
namespace troupe::api {

/// Schemas by name: "bot", "tenant", … They are read off what rows.cpp makes of a full row and of an
/// empty one, so that they say what is really sent.
[[nodiscard]] boost::json::object row_schemas();

/// The schema of an operation's answer; nothing for those that describe themselves.
[[nodiscard]] std::optional<boost::json::object> answer_schema(std::string_view operation);

} // namespace troupe::api
