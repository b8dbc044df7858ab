#pragma once

/// Gives a message struct its `inspect`: `TROUPE_FIELDS(point, x, y)` names each member once, in
/// the order in which they travel. At most 40 members.
#define TROUPE_FIELDS(Type, ...)                                                                   \
  template <class Inspector>                                                                       \
  bool inspect(Inspector& f, Type& x) {                                                            \
    return f.object(x).fields(TROUPE_EACH_FIELD(__VA_ARGS__));                                     \
  }

#define TROUPE_FIELD(member) f.field(#member, x.member)
#define TROUPE_EACH_FIELD(...) TROUPE_RESCAN(TROUPE_NEXT_FIELD(__VA_ARGS__))
#define TROUPE_NEXT_FIELD(member, ...)                                                             \
  TROUPE_FIELD(member) __VA_OPT__(, TROUPE_FIELD_AGAIN TROUPE_PARENS(__VA_ARGS__))
#define TROUPE_FIELD_AGAIN() TROUPE_NEXT_FIELD
#define TROUPE_PARENS ()
// Each scan expands one member more: 3 * 3 * 3 * 2 of them.
#define TROUPE_RESCAN(...) TROUPE_RESCAN_3(TROUPE_RESCAN_3(__VA_ARGS__))
#define TROUPE_RESCAN_3(...) TROUPE_RESCAN_2(TROUPE_RESCAN_2(TROUPE_RESCAN_2(__VA_ARGS__)))
#define TROUPE_RESCAN_2(...) TROUPE_RESCAN_1(TROUPE_RESCAN_1(TROUPE_RESCAN_1(__VA_ARGS__)))
#define TROUPE_RESCAN_1(...) TROUPE_RESCAN_0(TROUPE_RESCAN_0(TROUPE_RESCAN_0(__VA_ARGS__)))
#define TROUPE_RESCAN_0(...) __VA_ARGS__
