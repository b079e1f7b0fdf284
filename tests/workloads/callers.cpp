/* Opens /nonexistent/NAME through what C++ has: templates, lambdas, std::function, virtual functions, exceptions' cleanup. */
#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace deep
{
template <typename T> struct Opener {
	virtual ~Opener() = default;
	__attribute__((noinline)) virtual int open_it(const T &path)
	{
		int fd = ::open(path.c_str(), O_RDONLY);
		__asm__ volatile("" ::: "memory");
		return fd;
	}
};

template <int N> __attribute__((noinline)) int descend(const std::function<int(int)> &last)
{
	int result;
	if constexpr (N == 0)
		result = last(N);
	else
		result = descend<N - 1>(last);
	__asm__ volatile("" ::: "memory");
	return result;
}
} // namespace deep

struct Cleanup {
	~Cleanup()
	{
		deep::Opener<std::string>().open_it("/nonexistent/unwinding");
		__asm__ volatile("" ::: "memory");
	}
};

__attribute__((noinline)) static void throwing(int number)
{
	Cleanup cleanup;
	if (number)
		throw std::runtime_error("on purpose");
}

int main(int argc, char **)
{
	auto opener = std::make_unique<deep::Opener<std::string>>();
	std::vector<int> numbers{1};

	deep::descend<5>([&](int) { return opener->open_it("/nonexistent/templates"); });
	std::for_each(numbers.begin(), numbers.end(), [&](int) { opener->open_it("/nonexistent/lambda"); });
	try {
		throwing(argc);
	} catch (const std::runtime_error &) {
		opener->open_it("/nonexistent/caught");
	}
	return 0;
}
