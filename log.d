log.o: /work/wt/pace14/core/log.c core/log.h core/log/line.h \
  core/log/fields.h core/clock.h core/log/fold.h core/text/utf8.h \
  core/bytes.h
