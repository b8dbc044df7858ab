// One fault of each kind that a sanitizer is there to find; ctest expects each to fail.

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <thread>

namespace {

// What the compiler does not know it cannot leave out.
volatile int one = 1;
volatile int seen = 0;
int* volatile lost = nullptr;
int shared = 0;

int overflow() {
  auto* values = static_cast<int*>(std::calloc(1, sizeof(int)));
  seen = values[one];
  std::free(values);
  return 0;
}

int undefined() {
  seen = std::numeric_limits<int>::max() + one;
  return 0;
}

int leak() {
  lost = static_cast<int*>(std::calloc(1, sizeof(int)));
  lost = nullptr;
  return 0;
}

int race() {
  std::thread other{[] { shared += one; }};
  shared += one;
  other.join();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  std::string_view fault = argc > 1 ? argv[1] : "";
  if (fault == "none")
    return 0;
  if (fault == "overflow")
    return overflow();
  if (fault == "undefined")
    return undefined();
  if (fault == "leak")
    return leak();
  if (fault == "race")
    return race();
  std::fputs("usage: faulty none|overflow|undefined|leak|race\n", stderr);
  return 0; // Not a fault: the test that expects one fails.
}
