#pragma once
#include "actors/gateway/connection.hpp"
#include "actors/gateway/route.hpp"
#include "actors/gateway/updates.hpp"

#include <array>

/// A client's session over `Stream` (a TCP socket or a TLS stream on one): reads heads, resolves
/// bots, asks for grants, lets the exchange run, answers. Included by the two files that make one.
namespace troupe::gateway {

/// Bytes read at once.
inline constexpr std::size_t read_size = 8 * 1024;
/// After the last answer, what the client still sends is read for at most so long.
inline constexpr std::chrono::seconds longest_linger{5};
/// A form field of a multipart body with its part's head is at most this long to be found.
inline constexpr std::size_t late_window = 2 * 1024;
/// The Bot API takes no more bytes of parameters that are no files (telegram-notes.md).
inline constexpr std::size_t longest_params = 1024 * 1024;
/// Tells a client of HTTP/1.0 that its wish was heard.
inline constexpr std::string_view kept_on = "Connection: keep-alive\r\n";
/// A body that streams through a session, up or down, must come at this rate, in bytes per second,
/// on average: a slower sender would hold the session for as long as it likes.
inline constexpr std::uint64_t min_body_rate = 512;
/// A connection beyond the limit that asks for nothing is closed after this.
inline constexpr auto surplus_idle = std::chrono::seconds{2};
/// An idle connection's buffer is given back beyond this.
inline constexpr std::size_t idle_buffer = 16 * 1024;

/// The body of the request under way.
struct request_body {
  std::size_t held = 0;        ///< Bytes at the front of the input buffer; of a chunked one none.
  std::uint64_t remaining = 0; ///< Of a body with a length: bytes still to be read.
  bool chunked = false;
  bool complete = true; ///< All of it is held, so it can be sent again.
};

/// What a request is, once its head and the beginning of its body are read.
struct request_facts {
  route where;
  telegram::call_params params;
  bot_id bot = 0;
  std::uint16_t method = 0;
  std::vector<std::string> only; ///< Of a virtual token: the methods that it may call; empty: all.
  std::int64_t worker = 0;       ///< The virtual token's number; 0: the bot's own token.
  std::optional<bot_found> abroad; ///< The bot, if it is another node's.
  bool chat_may_come = false;      ///< In the part of a multipart body that is not held.
  bool keep_alive = true;
  bool rejected = false; ///< The upstream answered 401.
  clock::time_point arrived{};
  clock::time_point wait_until{}; ///< The caller's deadline for waiting and retries.
};

/// How an exchange went, beyond its outcome.
struct exchange_state {
  outcome how;
  std::string withheld; ///< A response kept back because the call may be tried again.
  unsigned attempt = 0; ///< Of those that were granted, the last.
  unsigned earlier = 0; ///< Of them, those with a bot that died.
  caf::timespan waited{0};
  clock::time_point began{}; ///< When the attempt was granted.
  bool answered = false;     ///< The client has the whole response.
  bool ends = false;         ///< The answer's end is the connection's end.
};

template <class Stream>
class session final : public connection_base {
public:
  session(std::shared_ptr<context> ctx, Stream stream)
    : connection_base(std::move(ctx)), stream_(std::move(stream)) {}

  /// From the first request to the end of the connection.
  static task<void> run(std::shared_ptr<session> self);

private:
  // session_read.hpp: requests.
  task<bool> read_head();
  task<bool> read_body(clock::time_point until);
  enum class progress : std::uint8_t { done, more, broken };
  progress parse_head();
  void skip_empty_lines();
  void begin_body();
  progress parse_body();
  [[nodiscard]] bool is_overfull() const;
  task<bool> read_some(std::size_t limit);
  task<bool> fail(int status, std::string_view words);

  // session_call.hpp: calls.
  task<bool> serve();
  task<bool> serve_call(request_facts& facts);
  task<bool> exchange(request_facts& facts, const grant& granted, exchange_state& x);
  clock::duration exchange_limit(const request_facts& facts) const;
  clock::duration body_limit(std::uint64_t moved, clock::duration spent) const;
  bool may_begin(const grant& granted) const;
  std::int64_t life_now() const;
  task<net::upstream_session*> connect(std::uint64_t session);
  task<void> pause(clock::duration length);
  task<void> linger();
  task<bool> refuse(const refusal_text& text, bool keep_alive, const troupe_fields& fields = {});
  task<bool> answer(std::string bytes, bool keep_alive);
  call_id next_call_id();
  call describe(const request_facts& facts);
  void count(const request_facts& facts, std::string_view label, caf::timespan waited);

  // session_find.hpp: the bot of a token.
  bool find_running(const request_facts& facts, directory::found& entry);
  task<bool> find_bot(request_facts& facts, directory::found& entry);
  task<bool> find_here(request_facts& facts, directory::found& entry, bool& moved);
  bool stand_in(request_facts& facts);
  task<caf::error> activate(const directory::found& entry);
  task<bool> adopt(const token_digest& digest, bot_id claimed);

  // session_abroad.hpp: bots of other nodes.
  bool is_here(bot_id bot) const;
  bool has_moved(const caf::error& why) const {
    return ctx_->others && why == ec::stopped; // Its shard went; nothing was sent.
  }
  enum class whereabouts : std::uint8_t { here, abroad, refused };
  task<whereabouts> look_abroad(request_facts& facts, bot_id bot, directory::found& entry);
  void take_over(request_facts& facts, const bot_found& what, directory::found& entry);

  // session_keep.hpp: requests with an Idempotency-Key.
  task<bool> begin_kept(request_facts& facts, const directory::found& bot, std::string_view method,
                        bool& more);
  template <class Upstream>
  task<void> capture(Upstream& up, net::response_head& head, exchange_state& x);
  task<bool> answer_kept(const request_facts& facts, const exchange_state& x);

  // session_updates.hpp: getUpdates and the webhook methods, where they are Troupe's own.
  bool receives_updates(bot_id bot) const;
  task<bool> serve_updates(request_facts& facts, const directory::found& entry);
  task<bool> serve_pull(request_facts& facts, const update_params& params);

  // session_exchange.hpp: one exchange.
  template <class Upstream>
  task<void> send_request(Upstream& up, request_facts& facts, exchange_state& x);
  task<bool> read_upload(exchange_state& x, clock::time_point began, std::uint64_t streamed);
  void look_for_chat(request_facts& facts, std::string_view part, bool last);
  template <class Upstream>
  task<void> receive_response(Upstream& up, request_facts& facts, exchange_state& x);
  template <class Upstream>
  task<void> pass_body(Upstream& up, net::response_head& head, std::string first,
                       exchange_state& x);
  bool received(const net::io_result& got, exchange_state& x);
  template <class Upstream>
  task<void> withhold(Upstream& up, net::response_head& head, std::string first, exchange_state& x);
  std::string client_head(net::response_head& head, const request_facts& facts,
                          const exchange_state& x);
  std::size_t take_body(net::response_head& head, std::uint64_t& remaining, bool& done,
                        error_code& ec);
  net::written<Stream> write_client(std::string_view first, std::string_view second) {
    return {stream_, first, second};
  }

  net::tcp_socket& socket() noexcept override {
    if constexpr (std::is_same_v<Stream, net::tcp_socket>)
      return stream_;
    else
      return stream_.next_layer();
  }
  std::uint64_t missing() const noexcept override {
    bool known = std::is_same_v<Stream, net::tcp_socket> && !body_.chunked; // TLS may hold some.
    return known ? body_.remaining : 0;
  }
  bool interject(std::string_view bytes) noexcept override {
    error_code ec;
    socket().non_blocking(true, ec);
    return stream_.write_some(net::asio::buffer(bytes.data(), bytes.size()), ec) == bytes.size();
  }

  Stream stream_;
  flat_buffer in_; ///< From the client.
  flat_buffer up_; ///< From the upstream.
  std::optional<net::request_head> head_;
  net::head_texts texts_; ///< Memory of the last head's texts, for the next one's.
  request_body body_;
  /// While the chat of a streamed body is not known: its last bytes if it is multipart, else all.
  std::string late_;
  bool too_large_ = false; ///< The head broke its limit.
};

inline std::string_view view(const flat_buffer& buffer) noexcept {
  auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

} // namespace troupe::gateway

#include "actors/gateway/session_abroad.hpp"
#include "actors/gateway/session_call.hpp"
#include "actors/gateway/session_exchange.hpp"
#include "actors/gateway/session_find.hpp"
#include "actors/gateway/session_keep.hpp"
#include "actors/gateway/session_read.hpp"
#include "actors/gateway/session_updates.hpp"
