#ifndef NORI_NORI_HPP
#define NORI_NORI_HPP

// The log and the event store. What brings JSON along is included apart: store/json_codec.hpp,
// store/json_upcasting.hpp, store/command_handler.hpp, store/projection_json.hpp.

#include <nori/copy.hpp>
#include <nori/inspect.hpp>
#include <nori/store/consumer_group.hpp>
#include <nori/store/decider.hpp>
#include <nori/store/event_store.hpp>
#include <nori/store/projection.hpp>
#include <nori/store/prometheus.hpp>
#include <nori/store/snapshots.hpp>
#include <nori/store/upcasting.hpp>
#include <nori/wal.hpp>

#endif
