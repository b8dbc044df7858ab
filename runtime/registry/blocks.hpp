#pragma once
#include <boost/container/deque.hpp>

namespace troupe {

/// Things that stay where they are, in blocks of `PerBlock`: larger than those of std::deque (512
/// bytes), which come to lie among what lives shortly and keep its pages.
template <class T, std::size_t PerBlock>
using blocks = boost::container::deque<
  T, void, typename boost::container::deque_options<boost::container::block_size<PerBlock>>::type>;

} // namespace troupe
