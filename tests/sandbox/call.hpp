#pragma once
#include "runtime/telegram/errors.hpp"
#include "tests/sandbox/parameters.hpp"
#include "tests/sandbox/world.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace troupe::sandbox {

/// One Bot API request under way: what it may look at, and where its answer goes.
struct call {
  world& w;
  const std::shared_ptr<bot>& b;
  std::uint16_t method;
  const parameters& args;
  net::http_response& out;

  /// Answers with `result`, which is JSON.
  void ok(std::string_view result, std::string_view description = {}) const;
  void fail(const telegram::api_error& error) const;
  void bad_request(std::string_view what) const { fail(telegram::bad_request(what)); }

  /// To write a result piece by piece: `begin`, append to `out.body`, `end`.
  std::string& begin() const {
    out.body = R"({"ok":true,"result":)";
    return out.body;
  }
  void end() const { out.body += '}'; }
};

using method_function = void (*)(const call&);

struct method_entry {
  std::string_view name;
  method_function run;
};

/// Families of methods; each is a table of the methods it knows.
std::span<const method_entry> send_methods();
std::span<const method_entry> media_methods();
std::span<const method_entry> edit_methods();
std::span<const method_entry> copy_methods();
std::span<const method_entry> chat_methods();
std::span<const method_entry> bot_methods();
std::span<const method_entry> query_methods();
std::span<const method_entry> update_methods();

/// Runs the call's method: of a family, or answers with a sample of its result type.
void run_method(const call& c);

/// What all methods that write into a chat share: finds `chat_id` and checks that the bot may.
/// Nullptr: `c` has been answered with the error.
std::shared_ptr<chat> writable_chat(const call& c, std::string_view name = "chat_id");

/// The `reply_markup` parameter as the member of a message. False: `c` has been answered.
bool read_markup(const call& c, std::string& member);

/// What a message says besides its content: replies, threads. False: `c` has been answered.
bool read_extra(const call& c, chat& where, std::string& extra);

/// Appends the message and answers with it.
void send(const call& c, chat& where, std::string content, std::string caption = {});
/// The same, of the chat that `chat_id` names.
void send(const call& c, std::string content, std::string caption = {});

} // namespace troupe::sandbox
