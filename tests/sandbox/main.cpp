// troupe-sandbox: an emulated Telegram.
#include "tests/sandbox/sandbox.hpp"

#include <csignal>
#include <iostream>
#include <stdexcept>

#include <pthread.h>

namespace {

using namespace troupe::sandbox;

void greet(const server& s, const options& opts) {
  auto url = s.url();
  std::string curl = opts.tls_cert.empty() ? "  curl -s " : "  curl -sk ";
  std::cout << "troupe-sandbox serves an emulated Telegram at " << url << "\n"
            << "limits: " << (opts.enforce_limits ? "telegram" : "none")
            << (opts.accept_any_token ? ", any token is accepted" : "") << "\n\nTry:\n"
            << curl << url
            << "/sandbox/bots -d '{\"first_name\":\"My bot\"}'   # prints its token\n"
            << curl << url << "/sandbox/users -d '{\"first_name\":\"Ada\"}'\n"
            << curl << url
            << "/sandbox/chats -d '{\"type\":\"private\",\"bot\":BOT,\"users\":[USER]}'\n"
            << curl << url
            << "/sandbox/chats/USER/messages -d '{\"user\":USER,\"text\":\"/start\"}'\n"
            << curl << url << "/botTOKEN/getUpdates\n"
            << curl << url << "/botTOKEN/sendMessage -d chat_id=USER -d text=hello\n"
            << curl << "'" << url << "/sandbox/chats/USER/messages?from=bot'\n"
            << "All of it: troupe-sandbox --help\n"
            << std::flush;
}

// The signals that end the program, taken by `sigwait` and by no thread else.
sigset_t ending_signals() {
  sigset_t result;
  sigemptyset(&result);
  sigaddset(&result, SIGINT);
  sigaddset(&result, SIGTERM);
  return result;
}

} // namespace

int main(int argc, char** argv) {
  try {
    auto asked = parse_command_line(argc, argv);
    if (auto* text = std::get_if<std::string>(&asked)) {
      std::cout << *text;
      return 0;
    }
    auto opts = std::get<options>(asked);
    auto signals = ending_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    server s{opts};
    greet(s, opts);
    int signal = 0;
    sigwait(&signals, &signal);
    s.stop(std::chrono::milliseconds{200});
    return 0;
  } catch (const std::invalid_argument& e) {
    std::cerr << "troupe-sandbox: " << e.what() << "\n";
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "troupe-sandbox: " << e.what() << "\n";
    return 1;
  }
}
