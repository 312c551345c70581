#include "common/evidence/eventlog/event_log.h"
