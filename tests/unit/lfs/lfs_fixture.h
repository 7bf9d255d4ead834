#pragma once
// An LFS server and its store in memory, behind FakeHttp.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "plugin/base/sha256.h"
#include "plugin/lfs/uploader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"

namespace hubrev::testing {

// Answers batches with basic actions, takes PUTs, verifies. Answers queued in `scripted` under
// "METHOD path" come first. Thread-safe.
class FakeLfs {
 public:
  static constexpr const char* kStore = "https://store.example/";
  static constexpr const char* kServer = "https://hub.example/o/m.git/info/lfs";

  Result<HttpResponse> operator()(const SeenRequest& request) {
    const std::lock_guard lock(mutex_);
    const std::string path = request.url.substr(0, request.url.find('?'));
    auto& queue = scripted[request.method + " " + path];
    if (!queue.empty()) {
      auto next = std::move(queue.front());
      queue.pop_front();
      return next;
    }
    if (path == std::string(kServer) + "/objects/batch") return batch(request);
    if (request.method == "PUT" && path.starts_with(kStore)) {
      stored[sha256(request.body).hex()] = request.body;
      return respond(200, "", {{"etag", "\"" + std::to_string(request.body.size()) + "\""}});
    }
    if (path == std::string(kServer) + "/verify") {
      const auto body = nlohmann::json::parse(request.body);
      return respond(stored.count(body["oid"].get<std::string>()) != 0 ? 200 : 404);
    }
    return respond(404, "no route " + request.url);
  }

  std::string transfer = "basic";  // what each batch names
  bool wants_verify = false;
  nlohmann::json upload_extra = nlohmann::json::object();  // merged into each upload action
  std::map<std::string, std::deque<Result<HttpResponse>>> scripted;
  std::map<std::string, std::string> stored;  // oid -> bytes
  int batches = 0;

 private:
  HttpResponse batch(const SeenRequest& request) {
    using nlohmann::json;
    json objects = json::array();
    const json asked = json::parse(request.body);
    ++batches;
    for (const json& object : asked["objects"]) {
      json one = {{"oid", object["oid"]}, {"size", object["size"]}};
      const auto oid = object["oid"].get<std::string>();
      if (stored.count(oid) == 0) {
        one["actions"]["upload"] = {{"href", kStore + oid + "?try=" + std::to_string(batches)},
                                    {"header", {{"x-signed", "yes"}}}};
        one["actions"]["upload"].update(upload_extra);
        if (wants_verify) one["actions"]["verify"] = {{"href", std::string(kServer) + "/verify"}};
      }
      objects.insert(objects.begin(), one);  // not the order of the request
    }
    return respond(200, json{{"transfer", transfer}, {"objects", objects}}.dump());
  }

  std::mutex mutex_;  // guards everything above
};

class LfsTest : public ::testing::Test {
 protected:
  LfsTest() : http_([this](const SeenRequest& request) { return lfs_(request); }) {
    context_.http = &http_;
    context_.retry.clock = &clock_;
    context_.retry.policy.max_retries = 3;
    context_.pool = &pool_;
    context_.progress = &progress_;
    context_.in_flight = &in_flight_;
  }

  static LfsFile file(const std::string& path, std::string bytes) {
    return {path, Source::from_bytes(std::move(bytes))};
  }
  static std::string put_key(const std::string& bytes) {
    return std::string("PUT ") + FakeLfs::kStore + sha256(bytes).hex();
  }
  static std::string batch_key() {
    return std::string("POST ") + FakeLfs::kServer + "/objects/batch";
  }
  static std::string verify_key() { return std::string("POST ") + FakeLfs::kServer + "/verify"; }

  int count(const std::string& key) const {
    int hits = 0;
    for (const SeenRequest& one : http_.seen()) {
      if (one.method + " " + one.url.substr(0, one.url.find('?')) == key) ++hits;
    }
    return hits;
  }
  void script(const std::string& key, int times, const Result<HttpResponse>& answer) {
    for (int i = 0; i < times; ++i) lfs_.scripted[key].push_back(answer);
  }
  Result<std::vector<LfsObject>> upload(const std::vector<LfsFile>& files) {
    return upload_files(files, server_, context_, stop_.get_token());
  }

  FakeLfs lfs_;
  FakeHttp http_;
  FakeClock clock_;
  ThreadPool pool_{3, ThreadPriority::kNormal};
  Progress progress_;
  ObjectsInFlight in_flight_;
  UploadContext context_;
  std::stop_source stop_;
  LfsServer server_{FakeLfs::kServer,
                    {AuthScheme::kBearer, Secret("token")},
                    "refs/heads/step-1",
                    "https://hub.example"};
};

}  // namespace hubrev::testing
