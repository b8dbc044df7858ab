#pragma once
#include "runtime/api/context.hpp"
#include "runtime/registry/trail_entry.hpp"

/// What the API itself enters in the audit trail: what its other actors do not hear of.
namespace troupe::api {

/// An entry; nothing where the node keeps nothing.
inline void enter_in_trail(const context& ctx, audit_row what) {
  if (ctx.p.store)
    troupe::enter_in_trail(*ctx.p.system, ctx.p.store, std::move(what));
}

/// One entry for something that is under way: it is made whatever becomes of it.
class trail_mark {
public:
  trail_mark(const context& ctx, audit_row what) : ctx_(ctx), what_(std::move(what)) {
    what_.outcome = "unknown"; // Until somebody says otherwise: the client may leave.
  }
  trail_mark(const trail_mark&) = delete;
  trail_mark& operator=(const trail_mark&) = delete;
  ~trail_mark() {
    try {
      if (!what_.action.empty())
        enter_in_trail(ctx_, std::move(what_));
    } catch (...) {
      // No memory even for this.
    }
  }

  void end(std::string outcome) { what_.outcome = std::move(outcome); }

private:
  const context& ctx_;
  audit_row what_; ///< Without an action: no entry.
};

} // namespace troupe::api
