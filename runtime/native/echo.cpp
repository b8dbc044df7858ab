#include "runtime/native/echo.hpp"

#include "runtime/native/handler.hpp"

#include <boost/json.hpp>

namespace troupe::native {
namespace {

class echo final : public handler {
public:
  void on(const update& what, context& with) override {
    if (what.kind != "message")
      return;
    auto parsed = boost::json::parse(boost::json::string_view{what.body.data(), what.body.size()});
    const auto* text = parsed.at("message").as_object().if_contains("text");
    if (text && text->is_string())
      with.reply({text->get_string().data(), text->get_string().size()});
  }
  std::size_t parallel() const noexcept override { return 4; } // It remembers nothing.
};

} // namespace

void register_echo() {
  register_handler("echo", [](bot_id) { return std::make_unique<echo>(); });
}

} // namespace troupe::native
