#include "common/evidence/eventlog/event_data.h"
