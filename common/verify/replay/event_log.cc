#include "common/verify/replay/event_log.h"
