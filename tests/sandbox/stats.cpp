#include "tests/sandbox/stats.hpp"

namespace troupe::sandbox {

call_stats::call_stats(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.push_back(std::make_unique<row[]>(telegram::methods().size()));
}

void call_stats::count(unsigned thread, std::uint16_t method, int status) noexcept {
  std::size_t column = 0;
  while (column < other && statuses[column] != status)
    ++column;
  auto& cell = threads_[thread % threads_.size()][method][column];
  cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); // One writer.
}

std::uint64_t call_stats::sum(std::uint16_t method, std::size_t column) const noexcept {
  std::uint64_t result = 0;
  for (auto& x : threads_)
    result += x[method][column].load(std::memory_order_relaxed);
  return result;
}

std::uint64_t call_stats::requests(std::uint16_t method) const noexcept {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < statuses.size(); ++i)
    result += sum(method, i);
  return result;
}

std::string call_stats::report() const {
  std::string out = "{";
  for (std::uint16_t m = 0; m < telegram::methods().size(); ++m) {
    auto total = requests(m);
    if (total == 0)
      continue;
    out += out.size() > 1 ? ",\"" : "\"";
    out += m == telegram::unknown_method ? "(unknown)" : telegram::method(m).name;
    out += R"(":{"requests":)" + std::to_string(total) + R"(,"outcomes":{)";
    bool first = true;
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      auto count = sum(m, i);
      if (count == 0)
        continue;
      out += first ? "\"" : ",\"";
      first = false;
      out += i == other ? "other" : statuses[i] == 0 ? "unanswered" : std::to_string(statuses[i]);
      out += "\":" + std::to_string(count);
    }
    out += "}}";
  }
  return out + '}';
}

void call_stats::reset() noexcept {
  for (auto& x : threads_)
    for (std::size_t m = 0; m < telegram::methods().size(); ++m)
      for (auto& cell : x[m])
        cell.store(0, std::memory_order_relaxed);
}

} // namespace troupe::sandbox
