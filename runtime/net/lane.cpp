#include "runtime/net/lane.hpp"

#include <boost/asio/post.hpp>

#include <caf/actor_system.hpp>

#include <pthread.h>

namespace troupe::net {

namespace {

/// Messages that one actor may handle before the next one's turn.
constexpr std::size_t max_throughput = 64;

} // namespace

lane::lane(caf::actor_system& sys, std::uint16_t index)
  : caf::execution_unit(&sys), work_(io_.get_executor()), index_(index) {}

lane::~lane() {
  stop();
  // Actors that nobody will run any more: only the reference taken at enqueueing is given back.
  for (auto* job : jobs_)
    caf::intrusive_ptr_release(job);
}

void lane::start() {
  thread_ = std::thread([this] {
    auto name = "lane-" + std::to_string(index_);
    pthread_setname_np(pthread_self(), name.c_str());
    io_.run();
  });
}

void lane::stop() {
  if (!thread_.joinable())
    return;
  io_.stop();
  thread_.join();
}

void lane::exec_later(caf::resumable* job) {
  jobs_.push_back(job);
  if (!scheduled_) {
    scheduled_ = true;
    asio::post(io_, [this] { run_jobs(); });
  }
}

void lane::run_jobs() {
  // A bound, so that a storm of messages cannot starve the sockets.
  constexpr std::size_t max_jobs = 1024;
  for (std::size_t n = 0; n < max_jobs && !jobs_.empty(); ++n) {
    auto* job = jobs_.front();
    jobs_.pop_front();
    switch (job->resume(this, max_throughput)) {
    case caf::resumable::resume_later:
      jobs_.push_back(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break; // A helper of CAF's scheduler, without a reference.
    default:
      caf::intrusive_ptr_release(job);
    }
  }
  scheduled_ = !jobs_.empty();
  if (scheduled_)
    asio::post(io_, [this] { run_jobs(); });
}

lanes make_lanes(caf::actor_system& sys, std::size_t count) {
  lanes result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back(std::make_unique<lane>(sys, static_cast<std::uint16_t>(i)));
  return result;
}

} // namespace troupe::net
